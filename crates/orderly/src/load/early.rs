//! What was heard of orders that nobody knows yet.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use common::messages::OrderId;

use super::tally::{Ending, Request};

/// Endings that were heard before the answer that tells whose order it is; or of somebody else's.
///
/// An order can only be the answer to a request that was sent before the order's ending was heard. So what was heard
/// before the oldest request was sent that has no answer yet is forgotten, and no more is kept than is heard
/// in the time of the longest request.
#[derive(Default)]
pub(super) struct Early {
    /// The requests without an answer, by when they were sent.
    waiting: BTreeSet<(Duration, u64)>,
    /// In the order in which they were heard.
    heard: VecDeque<(Duration, OrderId)>,
    endings: HashMap<OrderId, Vec<(Duration, Ending)>>,
}

impl Early {
    /// A request was sent: its order may be heard of from now on.
    pub(super) fn sent(&mut self, request: Request) {
        self.waiting.insert((request.sent, request.number));
    }

    /// A request has its answer, or will have none.
    pub(super) fn answered(&mut self, request: Request) {
        self.waiting.remove(&(request.sent, request.number));
        self.forget();
    }

    /// Keeps how a strange order ended, for as long as it may turn out to be one of ours.
    pub(super) fn keep(&mut self, order_id: OrderId, ending: Ending, now: Duration) {
        self.endings.entry(order_id).or_default().push((now, ending));
        self.heard.push_back((now, order_id));
        self.forget();
    }

    /// What was heard of an order that turns out to be one of ours, and when.
    pub(super) fn claim(&mut self, order_id: OrderId) -> Vec<(Duration, Ending)> {
        self.endings.remove(&order_id).unwrap_or_default()
    }

    fn forget(&mut self) {
        let oldest = self.waiting.first().map_or(Duration::MAX, |(sent, _)| *sent);
        while let Some((_, order_id)) = self.heard.pop_front_if(|(heard, _)| *heard < oldest) {
            self.endings.remove(&order_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn request(number: u64, sent: u64) -> Request {
        Request { number, due: at(sent), sent: at(sent) }
    }

    #[test]
    fn what_is_heard_during_a_request_is_kept_until_its_answer() {
        let (mut early, id) = (Early::default(), Uuid::new_v4());
        early.sent(request(0, 5));
        early.keep(id, Ending::Paid, at(7));
        early.keep(id, Ending::Paid, at(8));
        assert_eq!(early.claim(id), [(at(7), Ending::Paid), (at(8), Ending::Paid)]);
        assert_eq!(early.claim(id), []);
    }

    #[test]
    fn what_no_request_can_have_asked_for_is_forgotten() {
        let (mut early, strange) = (Early::default(), Uuid::new_v4());
        early.keep(strange, Ending::Paid, at(1));
        assert!(early.heard.is_empty(), "nobody waits");
        early.sent(request(0, 5));
        early.sent(request(1, 9));
        early.keep(strange, Ending::Paid, at(7));
        early.answered(request(1, 9));
        assert_eq!(early.heard.len(), 1, "it may be the older one's");
        early.sent(request(2, 11));
        early.answered(request(0, 5));
        assert!(early.heard.is_empty() && early.claim(strange).is_empty(), "it was heard before 2 was sent");
    }
}
