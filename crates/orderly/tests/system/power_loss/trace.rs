//! What strace saw a server do to its append-only file.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};

/// The one file that grows. The test stays far below the size at which Redis would begin another.
const GROWING: &str = ".incr.aof";

/// Where the files of the append-only file are, and so the folder whose entries are their names.
const FOLDER: &str = "/appendonlydir";

/// When what was done, since 1970.
type Time = Duration;

/// A server's life, seen from below.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// When a write had returned, and how long the file was then.
    writes: Vec<(Time, u64)>,
    /// When a sync had returned, and how long the file was when it began: what was written meanwhile may be
    /// missing.
    syncs: Vec<(Time, u64)>,
    /// When one of the files was made or got its name.
    names: Vec<Time>,
    /// When a sync of the folder had returned.
    name_syncs: Vec<Time>,
}

/// The append-only file at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    /// What whoever reads it sees.
    pub(super) written: u64,
    /// What is left of that when the power goes, at least. No more is counted on.
    pub(super) synced: u64,
}

/// A call that has begun.
#[derive(Clone, Debug)]
struct Call {
    name: String,
    arguments: String,
    /// How long the file was.
    length: u64,
}

impl Trace {
    /// Fails if the server has not ended yet as far as the trace goes.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)?;
        let last = text.lines().next_back().unwrap_or_default();
        ensure!(last.contains("+++ exited") || last.contains("+++ killed"), "its last line is {last:?}");
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let (mut trace, mut begun) = (Self::default(), HashMap::new());
        for line in text.lines() {
            trace.take(line, &mut begun).with_context(|| format!("in the line {line:?}"))?;
        }
        Ok(trace)
    }

    pub(super) fn length(&self) -> u64 {
        self.writes.last().map_or(0, |(_, length)| *length)
    }

    pub(super) fn at(&self, moment: SystemTime) -> FileState {
        let moment = since_1970(moment);
        let by_then = |all: &[(Time, u64)]| {
            all[..all.partition_point(|(time, _)| *time <= moment)].last().map_or(0, |(_, length)| *length)
        };
        FileState { written: by_then(&self.writes), synced: by_then(&self.syncs) }
    }

    /// Whether every file's name was on disk, and not only what is in it.
    pub(super) fn names_are_synced_before(&self, moment: SystemTime) -> bool {
        let moment = since_1970(moment);
        let last_name = self.names.iter().max().copied().unwrap_or_default();
        self.name_syncs.iter().any(|sync| (last_name..moment).contains(sync))
    }

    /// `PID TIME CALL(ARGUMENTS) = RESULT <SECONDS>`, where another thread came between as two lines:
    /// `PID TIME CALL(ARGUMENTS <unfinished ...>` and `PID TIME <... CALL resumed>REST) = RESULT <SECONDS>`.
    fn take(&mut self, line: &str, begun: &mut HashMap<String, Call>) -> anyhow::Result<()> {
        let mut words = line.splitn(2, ' ');
        let thread = words.next().context("no process")?.to_owned();
        let rest = words.next().context("nothing after the process")?.trim_start();
        let (time, event) = rest.split_once(' ').context("no time")?;
        let time = seconds(time)?;
        if event.starts_with("+++") || event.starts_with("---") {
            return Ok(());
        }
        if let Some(unfinished) = event.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, self.call(unfinished)?);
            return Ok(());
        }
        let (head, outcome) = event.rsplit_once(" = ").context("no result")?;
        let (result, took) = outcome.split_once(' ').map_or((outcome, ""), |(result, rest)| {
            (result, rest.rsplit_once('<').map_or("", |(_, took)| took.trim_end_matches('>')))
        });
        if head.starts_with("<... ") {
            let call = begun.remove(&thread).context("it goes on with what has not begun")?;
            return self.done(&call, result, time);
        }
        // Time and again a process ends within a call.
        if result.starts_with('?') {
            return Ok(());
        }
        let call = self.call(head)?;
        self.done(&call, result, time + seconds(took)?)
    }

    fn call(&self, text: &str) -> anyhow::Result<Call> {
        let (name, arguments) = text.split_once('(').context("no call")?;
        Ok(Call { name: name.to_owned(), arguments: arguments.to_owned(), length: self.length() })
    }

    fn done(&mut self, call: &Call, result: &str, at: Time) -> anyhow::Result<()> {
        let first = call.arguments.split(',').next().unwrap_or_default();
        // A file by its number is shown with its path: `8</data/appendonlydir/appendonly.aof.1.incr.aof>`.
        let file = first.split_once('<').map_or("", |(_, path)| path.trim_end_matches([')', '>']));
        let failed = result.starts_with('-');
        match call.name.as_str() {
            "write" | "writev" | "pwrite64" if file.ends_with(GROWING) => {
                ensure!(!failed && call.name != "pwrite64", "the file is to grow, and only to grow");
                let length = self.length() + result.parse::<u64>().context("no number of bytes")?;
                self.writes.push((at, length));
            }
            "ftruncate" if file.ends_with(GROWING) => bail!("the file is to grow, and only to grow"),
            "fdatasync" | "fsync" if file.ends_with(GROWING) && !failed => self.syncs.push((at, call.length)),
            "fdatasync" | "fsync" if file.ends_with(FOLDER) && !failed => self.name_syncs.push(at),
            "rename" if call.arguments.contains("appendonly.aof") => self.names.push(at),
            "openat" if call.arguments.contains("O_CREAT") && call.arguments.contains(GROWING) => {
                self.names.push(at);
            }
            _ => {}
        }
        Ok(())
    }
}

/// As strace writes times: `1795683593.487342`, `0.000021`.
fn seconds(text: &str) -> anyhow::Result<Time> {
    let (seconds, micros) = text.split_once('.').with_context(|| format!("{text:?} is no time"))?;
    Ok(Duration::from_secs(seconds.parse()?) + Duration::from_micros(micros.parse()?))
}

fn since_1970(moment: SystemTime) -> Time {
    moment.duration_since(UNIX_EPOCH).expect("it is after 1970")
}

const SEEN: &str = "\
11 5.000100 openat(AT_FDCWD</d>, \"appendonlydir/appendonly.aof.1.incr.aof\", O_WRONLY|O_CREAT|O_APPEND, 0644) = 8</d/appendonlydir/appendonly.aof.1.incr.aof> <0.000023>
11 5.000200 rename(\"appendonlydir/temp-appendonly.aof.manifest\", \"appendonlydir/appendonly.aof.manifest\") = 0 <0.000018>
11 5.000300 fdatasync(11</d/appendonlydir>) = 0 <0.000135>
11 6.000000 write(8</d/appendonlydir/appendonly.aof.1.incr.aof>, \"\"..., 51) = 51 <0.000021>
11 6.000100 fdatasync(8</d/appendonlydir/appendonly.aof.1.incr.aof>) = 0 <0.000820>
11 6.001000 write(9<socket:[13]>, \"\"..., 5) = 5 <0.000031>
12 7.000000 fdatasync(8</d/appendonlydir/appendonly.aof.1.incr.aof> <unfinished ...>
11 7.000100 write(8</d/appendonlydir/appendonly.aof.1.incr.aof>, \"\"..., 9) = 9 <0.000010>
12 7.000900 <... fdatasync resumed>) = 0 <0.000900>
11 8.000000 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=5, si_uid=0} ---
11 9.000000 +++ exited with 0 +++
";

#[test]
fn a_sync_covers_what_was_written_before_it_began() {
    let trace = Trace::parse(SEEN).unwrap();
    let at = |micros| trace.at(UNIX_EPOCH + Duration::from_micros(micros));
    assert_eq!(at(6_000_020), FileState { written: 0, synced: 0 });
    assert_eq!(at(6_000_919), FileState { written: 51, synced: 0 });
    assert_eq!(at(6_000_920), FileState { written: 51, synced: 51 });
    assert_eq!(at(8_000_000), FileState { written: 60, synced: 51 });
    assert_eq!(trace.length(), 60);
}

#[test]
fn a_file_has_a_name_once_its_folder_is_synced() {
    let trace = Trace::parse(SEEN).unwrap();
    let before = |micros| trace.names_are_synced_before(UNIX_EPOCH + Duration::from_micros(micros));
    assert!(!before(5_000_400));
    assert!(before(5_000_500));
}
