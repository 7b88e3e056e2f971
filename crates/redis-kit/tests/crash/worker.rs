//! The worker process: handles entries as their fate wants it.

use std::{
    io::{Read, stdin},
    panic::resume_unwind,
    pin::pin,
    process::exit,
    time::Duration,
};

use redis_kit::{
    Backoff, Redis,
    stream::{Commit, Delivery, Failure, Handler, Mode, Worker, WorkerOptions},
};
use serde::{Deserialize, Serialize};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    entry::Entry,
    fate::{End, Fate},
    keys::{self, GROUP, PARTITIONS},
};

/// What a worker process is told on its command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) instance: String,
    pub(crate) ordered: bool,
    pub(crate) seed: u64,
}

impl Settings {
    pub(crate) fn mode(&self) -> Mode {
        if self.ordered { Mode::Ordered } else { Mode::Competing }
    }
}

/// Short times, so that much happens in a run.
pub(crate) fn options(mode: Mode) -> WorkerOptions {
    WorkerOptions {
        mode,
        concurrency: 8,
        block: Duration::from_millis(100),
        lease: Duration::from_secs(1),
        claim_interval: Duration::from_millis(50),
        backoff: Backoff { base: Duration::from_millis(5), limit: Duration::from_millis(50) },
        grace: Duration::from_secs(1),
        ..WorkerOptions::default()
    }
}

/// Works until SIGTERM.
pub(crate) fn main(settings: &Settings) {
    std::thread::spawn(end_with_the_suite);
    tokio::runtime::Runtime::new().unwrap().block_on(work(settings));
}

async fn work(settings: &Settings) {
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let stop = CancellationToken::new();
    let working = async {
        let redis = Redis::open(&settings.url).unwrap();
        let streams: Vec<String> = (0..PARTITIONS).map(keys::entries).collect();
        let (handler, options) = (AsFated(settings.clone()), options(settings.mode()));
        let starting = Worker::start(&redis, &streams, GROUP, &settings.instance, handler, options);
        if let Some(worker) = stop.run_until_cancelled(starting).await {
            worker.unwrap().run(stop.clone()).await;
        }
    };
    let mut working = pin!(working);
    tokio::select! {
        () = &mut working => {}
        _ = terminated.recv() => {
            stop.cancel();
            working.await;
        }
    }
}

/// The suite holds the other end of the standard input, which closes when it ends, whatever ended it.
fn end_with_the_suite() {
    let _ = stdin().read(&mut [0]);
    exit(1);
}

struct AsFated(Settings);

impl Handler for AsFated {
    type Message = Entry;

    async fn handle(&self, delivery: Delivery<Entry>) -> Result<Commit, Failure> {
        let Entry { number } = delivery.message;
        let fate = Fate::of(number, self.0.seed, self.0.mode());
        if !fate.pause.is_zero() {
            sleep(fate.pause).await;
        }
        // Said to the suite over a pipe: no fault can take it back.
        println!("{number} {}", delivery.attempt);
        if delivery.attempt <= fate.failures {
            if fate.panics {
                // A panic without its message, which would only alarm the reader.
                resume_unwind(Box::new("as fated"));
            }
            return Err(Failure::retry("not yet"));
        }
        match fate.end {
            End::Write => write(&delivery),
            End::Nothing => Ok(Commit::new()),
            End::Reject => Err(Failure::reject("never")),
        }
    }
}

fn write(delivery: &Delivery<Entry>) -> Result<Commit, Failure> {
    let (entry, partition) = (delivery.message, delivery.partition as u64);
    let (number, attempt) = (entry.number.to_string(), delivery.attempt.to_string());
    Ok(Commit::new()
        .append(keys::done(partition), &entry, &delivery.trace.child())?
        .set_fields(keys::applied(partition), [(&*number, attempt)])
        .publish("done", &*number))
}
