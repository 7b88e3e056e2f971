use super::{DeadLetter, DeadLetters, Filter};
use crate::{Error, stream::StreamId};

/// How many letters one command fetches.
const PAGE: usize = 100;

/// Goes through the letters that fit a filter, oldest first, a page at a time, so that no command takes long.
pub(super) struct Scan<'a> {
    letters: &'a DeadLetters,
    filter: &'a Filter,
    /// What `XRANGE` is to begin with, and to end with.
    from: String,
    to: String,
    /// No letter after this one is wanted.
    last: Option<StreamId>,
    is_over: bool,
}

impl<'a> Scan<'a> {
    /// Goes through the letters after `after`, to the end.
    pub(super) fn after(after: Option<StreamId>, letters: &'a DeadLetters, filter: &'a Filter) -> Self {
        let (since, to) = filter.range();
        let from = after.map_or(since, |after| format!("({after}"));
        Self { letters, filter, from, to, last: None, is_over: false }
    }

    /// Goes through the letters up to the one that is the last now.
    pub(super) async fn present(letters: &'a DeadLetters, filter: &'a Filter) -> Result<Self, Error> {
        let last = letters.last().await?;
        Ok(Self { is_over: last.is_none(), last, ..Self::after(None, letters, filter) })
    }

    /// Those of the next page that fit, which may be none; `None` at the end.
    pub(super) async fn next_page(&mut self) -> Result<Option<Vec<DeadLetter>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let mut page = self.letters.range(&self.from, &self.to, PAGE).await?;
        self.is_over = page.len() < PAGE;
        if let Some(letter) = page.last() {
            self.from = format!("({}", letter.id);
            self.is_over |= self.last.is_some_and(|last| letter.id >= last);
        }
        page.retain(|letter| self.last.is_none_or(|last| letter.id <= last) && self.filter.fits(letter));
        Ok(Some(page))
    }
}
