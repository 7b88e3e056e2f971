//! The disk under the append-only file is full while orders are under way.
//!
//! A Redis that syncs before it answers (`appendfsync always`) cannot take back what it has carried out in
//! memory, so when it cannot write it ends, before it has answered. `up` starts it again and again, with
//! pauses, until there is room. (With `everysec` it would go on and answer writes with MISCONF.)
//!
//! Two ways to fill a disk: a limit on how long a file may be, which every system has for every user; and a
//! small file system of its own, for which Linux must let the user have a namespace.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;
use test_support::{Options, System, eventually};

use super::{SOON, all_were_told_to_try_later, report, troubled, until_promised};
use crate::{
    ORDERLY,
    books::reckon,
    clients::Clients,
    options,
    told::tell,
    wrapper::{Wrapper, write_program},
};

#[tokio::test]
async fn nothing_is_lost_when_the_append_only_file_cannot_grow() {
    // Ignored, the signal leaves it to the write to fail, as it does on a full disk. Some hundred KB; the
    // unit is the system's.
    let server =
        Wrapper::new("trap '' XFSZ\n[ ! -e \"$folder/limit\" ] || ulimit -f \"$(cat \"$folder/limit\")\"")
            .await;
    let limit = server.folder().join("limit");
    fs::write(&limit, "300").unwrap();
    let options = options().args(["--redis-server", server.program()]);
    runs_full_and_goes_on("the append-only file at its limit", options, |_| fs::remove_file(&limit).unwrap())
        .await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_disk_is_full() {
    let disk = match SmallDisk::new() {
        Ok(disk) => disk,
        Err(reason) => return tell(&format!("NOT SHOWN, what happens on a full disk: {reason}")),
    };
    let options = Options::new(&disk.orderly);
    runs_full_and_goes_on("disk full", options, |system| {
        let data = system.data().strip_prefix("/").unwrap();
        let seen = PathBuf::from(format!("/proc/{}/root", system.pid())).join(data);
        fs::remove_file(seen.join("redis/filler")).unwrap();
    })
    .await;
}

async fn runs_full_and_goes_on(what: &str, options: Options, make_room: impl FnOnce(&System)) {
    let system = System::start(&troubled(options)).await;
    let before = system.services().await.unwrap();
    let clients = Clients::new("disk");
    clients
        .order_during(&system, async {
            eventually("Redis to have found the disk full, and found it so again", SOON, || async {
                let log = system.log();
                let deaths = log.iter().filter(|line| line.contains("warning: redis ended")).count();
                if deaths >= 3 { Ok(()) } else { Err(format!("it ended {deaths} times")) }
            })
            .await;
            let promised = clients.promises().len();
            make_room(&system);
            until_promised(&clients, promised + 40).await;
        })
        .await;
    let tally = reckon(&system, &clients.promises()).await;
    report(what, &clients, &tally);
    assert!(tally.is_whole() && tally.dead == 0, "{tally}");
    assert_eq!(system.services().await.unwrap(), before, "only Redis had to be started again");
    all_were_told_to_try_later(&clients);
}

/// Where `orderly up` finds a small and nearly full file system in place of Redis's folder.
struct SmallDisk {
    /// The program that runs `orderly` there.
    orderly: PathBuf,
    _folder: TempDir,
}

impl SmallDisk {
    /// Fails with the reason where no namespace can be had.
    fn new() -> Result<Self, String> {
        let folder = TempDir::with_prefix("orderly-disk-").map_err(|error| error.to_string())?;
        let mut mount = Command::new("unshare");
        mount.args(["-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "disk"]).arg(folder.path());
        let tried = mount.output();
        let tried =
            tried.map_err(|error| format!("unshare, which gives a namespace, cannot be run: {error}"))?;
        if !tried.status.success() {
            let said = String::from_utf8_lossy(&tried.stderr).into_owned();
            return Err(format!("this user cannot have a file system of their own: {}", said.trim()));
        }
        // `up --data-dir FOLDER …`
        let script = format!(
            "#!/bin/sh\nmkdir -p \"$3/redis\"\nexec unshare -rm sh -ec '\
               mount -t tmpfs -o size=4m,mode=700 disk \"$3/redis\"; \
               head -c 3800000 /dev/zero >\"$3/redis/filler\"; \
               exec {ORDERLY} \"$@\"' sh \"$@\"\n"
        );
        let orderly = folder.path().join("orderly");
        write_program(&orderly, &script);
        Ok(Self { orderly, _folder: folder })
    }
}
