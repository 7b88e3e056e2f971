use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error,
    stream::{self, Entry, StreamId},
};

/// What is told to listeners of an entry of a journal, live on a channel or later from the journal itself: both ways it
/// is the same, because it is made by the same function.
///
/// As JSON it must be an object that has no fields `partition`, `prev` and `id`, and that may have others than it knows.
pub trait Announcement: Serialize + DeserializeOwned + Send + 'static {
    /// What the entries of the journal say.
    type Message: stream::Message;

    /// What is announced of an entry; `None` if it is nobody's business.
    fn of(entry: Entry<Self::Message>) -> Option<Self>;
}

/// Where an entry stands in a journal, and so a live message among all others of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which of the journal's streams, counted from 0.
    pub partition: usize,
    /// The entry before it, whether that was announced or not; `0-0` if there is none.
    pub prev: StreamId,
    /// Its own entry.
    pub id: StreamId,
}

/// The payload of a live message: the announcement's own fields with those of [`Position`] beside them.
///
/// # Errors
/// [`Error::Encode`] if the announcement is no JSON object.
pub fn live<A: Announcement>(announcement: &A, position: Position) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Live<'a, A> {
        #[serde(flatten)]
        announcement: &'a A,
        #[serde(flatten)]
        position: Position,
    }
    Ok(serde_json::to_string(&Live { announcement, position })?)
}

/// The payload of a tip: `id` is the last entry of the partition that was announced. It has `prev == id`, so that by the
/// rule of all live messages it is never taken, and shows a gap to whoever has not got that far.
pub fn tip(partition: usize, id: StreamId) -> String {
    serde_json::json!({ "type": "tip", "partition": partition, "prev": id, "id": id }).to_string()
}
