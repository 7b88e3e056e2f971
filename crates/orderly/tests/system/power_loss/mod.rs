//! The power goes: what was only in the page cache is gone, which a `kill -9` never shows.
//!
//! strace tells when Redis wrote how much to its append-only file, and when a sync of it had returned.
//! Afterwards the file is cut back to what was on disk for certain at one moment after another, and for each
//! a Redis is started on what is left. It must have everything that a client had been promised by then.
//!
//! strace is one of Linux's and not everywhere. Without it these tests say that they have shown nothing, and
//! pass; with `POWER_LOSS=required`, as `.ci/run` has it, they fail.

mod disk;
mod trace;

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use nix::sys::signal::Signal;
use test_support::{Options, System, eventually};
use tokio::time::sleep;

use self::{disk::Disk, trace::Trace};
use crate::{
    books::reckon,
    clients::{Clients, Promise, ask},
    lifecycle::assert_waits_for_durability,
    options,
    told::tell,
    wrapper::Wrapper,
};

/// How often the power goes in each run.
const MOMENTS: usize = 50;

/// How long clients order, at least. Several seconds, so that a sync every second is between them too.
const ORDERING: Duration = Duration::from_secs(4);

const SOON: Duration = Duration::from_mins(1);

/// Under which Redis's calls are written down. A grandchild of the server watches it (`-D`), so that the
/// server keeps its process id, which its owner knows it by; texts are left out (`-s 0`), and files are named
/// (`-y`).
const WATCHED: &str = "exec strace -D -f -q -y -ttt -T -s 0 -o \"$folder/trace\" \
     -e trace=write,writev,pwrite64,ftruncate,fdatasync,fsync,openat,rename \"$server\" \"$@\"";

/// A run that is over: what clients were told, and what Redis did to the disk.
struct Run {
    promises: Vec<Promise>,
    trace: Trace,
    disk: Disk,
}

#[tokio::test]
async fn whatever_was_answered_with_201_is_on_disk_by_then() {
    if !strace_works() {
        return;
    }
    let run = Run::with("", &options()).await;
    let (mut cut_off, mut seen) = (0, 0);
    for moment in run.moments() {
        let state = run.trace.at(moment);
        let promised = run.promised_by(moment);
        let left = run.disk.at(&state).await;
        for promise in promised {
            left.has(promise)
                .unwrap_or_else(|missing| panic!("{} had its 201, but {missing}", promise.order_id));
        }
        left.has_no_halves();
        cut_off += usize::from(state.written > state.synced);
        seen += promised.len();
    }
    assert!(run.trace.names_are_synced_before(run.promises[0].told_at), "the file may have no name yet");
    tell(&format!(
        "power loss, appendfsync always: at {MOMENTS} moments of {} orders nothing that had been \
         answered with 201 was missing ({seen} looks at an order); at {cut_off} of them something unsynced was cut off",
        run.promises.len()
    ));
    run.goes_on_after(run.promises[run.promises.len() / 2].told_at).await;
}

#[tokio::test]
async fn with_a_sync_every_second_about_a_second_is_lost() {
    if !strace_works() {
        return;
    }
    let run = Run::with("--appendfsync everysec", &options().env("DURABILITY", "everysec")).await;
    let mut losses = Vec::new();
    for moment in run.moments() {
        let left = run.disk.at(&run.trace.at(moment)).await;
        let promised = run.promised_by(moment);
        let lost: Vec<&Promise> = promised.iter().filter(|promise| left.has(promise).is_err()).collect();
        let oldest = lost.first().map(|promise| moment.duration_since(promise.told_at).unwrap());
        losses.push((lost.len(), oldest.unwrap_or_default()));
        left.has_no_halves();
    }
    let most = losses.iter().map(|(orders, _)| *orders).max().unwrap();
    let mean = losses.iter().map(|(orders, _)| *orders).sum::<usize>() / losses.len();
    let oldest = losses.iter().map(|(_, age)| *age).max().unwrap();
    tell(&format!(
        "power loss, appendfsync everysec: at {MOMENTS} moments of {} orders in {ORDERING:?}, up to \
         {most} orders that had been answered with 201 were lost, {mean} on average, the oldest of them {} ms after its answer",
        run.promises.len(),
        oldest.as_millis()
    ));
    assert!(most > 0, "nothing was lost, so the other test would not notice if something were");
}

#[tokio::test]
async fn a_gateway_whose_redis_syncs_every_second_is_not_ready_unless_that_was_asked_for() {
    let server = Wrapper::new("set -- \"$@\" --appendfsync everysec").await;
    let options = options().args(["--redis-server", server.program()]);
    assert_waits_for_durability(&options, "appendfsync everysec").await;
    let system = System::start(&options.env("DURABILITY", "everysec")).await;
    system.place_order().await;
}

impl Run {
    /// Runs the whole system on a Redis with these settings beside its own, and orders for some seconds.
    async fn with(settings: &str, options: &Options) -> Self {
        let server = Wrapper::new(&format!("set -- \"$@\" {settings}\n{WATCHED}")).await;
        let mut system = System::start(&options.clone().args(["--redis-server", server.program()])).await;
        let clients = Clients::new("power");
        let ordering = async {
            sleep(ORDERING).await;
            // A slow machine takes longer until there is enough to look at.
            eventually("enough orders", SOON, || async {
                let accepted = clients.promises().len();
                if accepted > MOMENTS { Ok(()) } else { Err(format!("only {accepted} were accepted")) }
            })
            .await;
        };
        clients.order_during(&system, ordering).await;
        assert_eq!(clients.setbacks(), [], "the run itself is to be without incident");
        assert!(system.stop(Signal::SIGTERM).await.success());
        let trace = eventually("strace to have written all", SOON, || async {
            Trace::read(&server.folder().join("trace"))
        })
        .await;
        let disk = Disk::of(options.clone());
        assert_eq!(trace.length(), disk.length(), "every byte of the file has been seen being written");
        Self { promises: clients.promises(), trace, disk }
    }

    /// The first answer, the last one, and many between.
    fn moments(&self) -> impl Iterator<Item = SystemTime> {
        let last = self.promises.len() - 1;
        (0..MOMENTS).map(move |n| self.promises[n * last / (MOMENTS - 1)].told_at)
    }

    fn promised_by(&self, moment: SystemTime) -> &[Promise] {
        &self.promises[..self.promises.partition_point(|promise| promise.told_at <= moment)]
    }

    /// The whole system is started on what was left at one moment, and beside it the provider that had
    /// charged till then: it finishes every order, charges none twice, and repeats its answers.
    async fn goes_on_after(&self, moment: SystemTime) {
        let options = options();
        self.disk.copy(&self.trace.at(moment), options.data(), moment);
        let system = System::start(&options).await;
        let promised = self.promised_by(moment);
        for promise in promised {
            let again = ask(&system, &promise.key).await.unwrap();
            assert_eq!(again.body, promise.body, "the answer is repeated");
        }
        // What is there beyond that was accepted, and its 201 was still on its way.
        let tally = reckon(&system, promised).await;
        tell(&format!("power back in the middle of it: {tally}"));
        assert!(tally.is_whole() && tally.dead == 0, "{tally}");
    }
}

/// Says why not, if not.
fn strace_works() -> bool {
    let tried = Command::new("strace").args(["-D", "-f", "-qq", "-o", "/dev/null", "true"]).output();
    let reason = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("strace cannot be run: {error}"),
    };
    let required = std::env::var("POWER_LOSS").is_ok_and(|wanted| wanted == "required");
    assert!(!required, "POWER_LOSS=required, but {reason}");
    tell(&format!("NOT SHOWN, what a power loss costs: {reason}"));
    false
}
