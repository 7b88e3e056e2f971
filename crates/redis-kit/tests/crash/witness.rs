use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    task::JoinHandle,
};

/// Knows how often handlers were called, as they say themselves.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<HashMap<Attempt, u64>>>);

/// Which attempt at which entry.
type Attempt = (u64, u32);

impl Witness {
    /// Listens to a worker until its end: lines with an entry's number and the attempt's.
    pub(crate) fn listen(&self, worker: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let witness = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(worker).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let (number, attempt) = line.split_once(' ').expect("two numbers a line");
                let attempt = (number.parse().unwrap(), attempt.parse().unwrap());
                *witness.0.lock().unwrap().entry(attempt).or_default() += 1;
            }
        })
    }

    /// Whether a handler has finished with that attempt, with whatever result.
    pub(crate) fn saw(&self, number: u64, attempt: u32) -> bool {
        self.0.lock().unwrap().contains_key(&(number, attempt))
    }

    /// How often an attempt was made again, because what came of it before was refused, or lost with its worker.
    pub(crate) fn repeated(&self) -> u64 {
        self.0.lock().unwrap().values().map(|times| times - 1).sum()
    }
}
