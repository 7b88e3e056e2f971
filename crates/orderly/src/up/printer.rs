//! The thread that writes what `up` prints, so that a reader that stalls (a pager, a terminal on hold) stops nobody.

use std::{
    collections::VecDeque,
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many lines of services may wait for the reader. `up`'s own, which are few and matter more, may be twice as many.
const CAPACITY: usize = 1000;

/// Prints in the order it is told, and never blocks who tells. Cheap to clone.
#[derive(Clone)]
pub(super) struct Printer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<String>,
    /// Lines that found the queue full since one last went in.
    skipped: u64,
    writing: bool,
}

impl Printer {
    /// Starts the thread, which lives as long as this process. Fails if the system gives none.
    pub(super) fn start(mut output: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let printer = Self(Arc::clone(&shared));
        std::thread::Builder::new().name("printer".into()).spawn(move || {
            loop {
                let text = shared.next();
                // A reader that has gone is no reason to stop taking orders.
                let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
                shared.written();
            }
        })?;
        Ok(printer)
    }

    /// Prints a line of `up`'s own.
    pub(super) fn print(&self, line: String) {
        self.0.push(line, 2 * CAPACITY);
    }

    /// Prints a line of a service, or counts it if the reader is far behind.
    pub(super) fn print_or_skip(&self, line: String) {
        self.0.push(line, CAPACITY);
    }

    /// Waits until everything is printed, at most so long.
    pub(super) fn flush(&self, limit: Duration) {
        let unprinted = |state: &mut State| state.writing || !state.queue.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lock(), limit, unprinted));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String, capacity: usize) {
        let mut state = self.lock();
        if state.queue.len() >= capacity {
            state.skipped += 1;
            return;
        }
        state.tell_of_skipped();
        state.queue.push_back(line);
        self.changed.notify_all();
    }

    /// All that waits, as one text.
    fn next(&self) -> String {
        let idle = |state: &mut State| state.queue.is_empty();
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.tell_of_skipped();
        state.writing = true;
        state.queue.drain(..).fold(String::new(), |text, line| text + &line + "\n")
    }

    fn written(&self) {
        self.lock().writing = false;
        self.changed.notify_all();
    }
}

impl State {
    fn tell_of_skipped(&mut self) {
        match std::mem::take(&mut self.skipped) {
            0 => (),
            1 => self.queue.push_back("… 1 line was not shown".into()),
            count => self.queue.push_back(format!("… {count} lines were not shown")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::mpsc::{Receiver, Sender, channel},
        time::Instant,
    };

    use super::*;

    /// Tells what it is given, and takes it when it is let.
    struct Reader {
        heard: Sender<String>,
        let_on: Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.heard.send(String::from_utf8_lossy(bytes).into_owned());
            self.let_on.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stalled() -> (Printer, Receiver<String>, Sender<()>) {
        let (heard, reader) = channel();
        let (go, let_on) = channel();
        (Printer::start(Reader { heard, let_on }).unwrap(), reader, go)
    }

    #[test]
    fn a_stalled_reader_is_told_how_many_lines_it_missed_once_it_reads_again() {
        let (printer, reader, go) = stalled();
        printer.print_or_skip("first".into());
        assert_eq!(reader.recv().unwrap(), "first\n");
        (0..CAPACITY + 5).for_each(|n| printer.print_or_skip(format!("line {n}")));
        printer.print("stopping".into());
        go.send(()).unwrap();
        let rest = reader.recv().unwrap();
        assert!(
            rest.ends_with(&format!("line {}\n… 5 lines were not shown\nstopping\n", CAPACITY - 1)),
            "{rest}"
        );
    }

    #[test]
    fn a_flush_waits_for_what_is_queued_but_not_for_a_stalled_reader() {
        let (printer, reader, go) = stalled();
        printer.print("a line".into());
        reader.recv().unwrap();
        let started = Instant::now();
        printer.flush(Duration::from_millis(20));
        assert!(started.elapsed() >= Duration::from_millis(20));
        go.send(()).unwrap();
        printer.flush(Duration::from_secs(20));
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
