//! When each order is to be sent. Knows no clock.

use std::time::Duration;

const NANOS: u128 = 1_000_000_000;

/// How many orders there are to be, for how long, and how fast. Times count from the beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) orders: Option<u64>,
    pub(super) duration: Option<Duration>,
    /// Orders a second; `None` for as fast as answers come.
    pub(super) rate: Option<u32>,
}

impl Pace {
    /// When the order of this number, counted from 0, is to be sent, which may be past. `None` if it is not to be sent any more.
    pub(super) fn due(&self, number: u64, now: Duration) -> Option<Duration> {
        let due = self.rate.map_or(now, |rate| nth(number, rate));
        let is_wanted = self.orders.is_none_or(|orders| number < orders);
        let is_in_time = self.duration.is_none_or(|duration| now < duration && due < duration);
        (is_wanted && is_in_time).then_some(due)
    }

    /// How many orders are to be sent in all, if that does not depend on how fast answers come.
    pub(super) fn planned(&self) -> Option<u64> {
        let in_time = self.duration.zip(self.rate).map(|(duration, rate)| {
            let orders = (duration.as_nanos() * u128::from(rate)).div_ceil(NANOS);
            u64::try_from(orders).unwrap_or(u64::MAX)
        });
        self.orders.or(in_time)
    }
}

/// When the order of this number is due, if `rate` are due every second.
fn nth(number: u64, rate: u32) -> Duration {
    let nanos = u128::from(number) * NANOS / u128::from(rate);
    Duration::from_nanos_u128(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(orders: Option<u64>, duration: Option<Duration>, rate: Option<u32>) -> Pace {
        Pace { orders, duration, rate }
    }

    #[test]
    fn in_an_open_loop_orders_are_due_evenly_however_late_it_is() {
        let pace = pace(None, Some(10 * SECOND), Some(4));
        for now in [Duration::ZERO, SECOND, 9 * SECOND] {
            let due: Vec<u128> = (0..4).map(|number| pace.due(number, now).unwrap().as_millis()).collect();
            assert_eq!(due, [0, 250, 500, 750]);
        }
        // No error adds up.
        assert_eq!(pace.due(39, SECOND), Some(Duration::from_millis(9_750)));
        assert_eq!(super::nth(3_000_000_000, 3), 1_000_000_000 * SECOND);
    }

    #[test]
    fn in_a_closed_loop_an_order_is_due_when_somebody_can_send_it() {
        let pace = pace(Some(2), None, None);
        assert_eq!(pace.due(0, SECOND), Some(SECOND));
        assert_eq!(pace.due(1, 3 * SECOND), Some(3 * SECOND));
    }

    #[test]
    fn so_many_are_sent_and_no_more() {
        for rate in [None, Some(1_000)] {
            let pace = pace(Some(200), None, rate);
            assert!(pace.due(199, Duration::ZERO).is_some() && pace.due(200, Duration::ZERO).is_none());
            assert_eq!(pace.planned(), Some(200));
        }
    }

    #[test]
    fn nothing_is_sent_once_the_time_is_over() {
        let closed = pace(None, Some(SECOND), None);
        assert!(closed.due(7, SECOND / 2).is_some() && closed.due(7, SECOND).is_none());
        assert_eq!(closed.planned(), None);
        let open = pace(None, Some(SECOND), Some(10));
        assert!(open.due(9, Duration::ZERO).is_some() && open.due(10, Duration::ZERO).is_none());
        assert!(open.due(3, SECOND).is_none(), "not even what is overdue");
        assert_eq!(open.planned(), Some(10));
        assert_eq!(pace(None, Some(SECOND / 4), Some(10)).planned(), Some(3));
    }
}
