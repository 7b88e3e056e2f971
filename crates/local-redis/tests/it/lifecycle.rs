//! A server starts as asked, stops, dies, and comes back.

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use anyhow::Result;
use local_redis::{Durability, Error, Server, Settings, running_in};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::support::{answers, ask, binary, eventually};

#[tokio::test]
async fn what_a_durable_server_acknowledged_is_there_after_a_crash() -> Result<()> {
    let mut server = Server::ephemeral(Durability::Always).await?;
    let (url, first) = (server.url(), server.pid());
    ask::<()>(&url, ["SET", "key", "value"]).await?;
    assert_eq!(server.kill().await?.signal(), Some(9));
    assert_eq!(server.pid(), None);
    assert!(!answers(&url).await);

    server.restart().await?;
    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), first);
    assert_eq!(ask::<String>(&url, ["GET", "key"]).await?, "value");
    Ok(())
}

#[tokio::test]
async fn who_runs_in_a_directory_is_found_for_as_long_as_it_runs() -> Result<()> {
    let mut server = Server::ephemeral(Durability::Volatile).await?;
    let directory = server.directory().to_owned();
    assert_eq!(running_in(&directory), Some(server.url()));
    server.kill().await?;
    assert_eq!(running_in(&directory), Some(server.url()), "its owner has it still, and may start it again");
    let scratch = tempdir()?;
    assert_eq!(running_in(&scratch.path().join("nowhere")), None);
    let server = Server::start(&binary().await?, Settings::new(scratch.path())).await?;
    drop(server);
    eventually("the directory to be free", async || running_in(scratch.path()).is_none()).await
}

#[tokio::test]
async fn a_volatile_server_writes_nothing_and_forgets() -> Result<()> {
    let mut server = Server::ephemeral(Durability::Volatile).await?;
    ask::<()>(&server.url(), ["SET", "key", "value"]).await?;
    server.restart().await?;
    assert_eq!(ask::<u64>(&server.url(), ["EXISTS", "key"]).await?, 0);
    assert!(!server.directory().join("appendonlydir").exists());
    Ok(())
}

#[tokio::test]
async fn a_server_is_durable_and_private_as_configured() -> Result<()> {
    let server = Server::ephemeral_with(|settings| {
        settings.extra.push(("maxmemory".to_owned(), "64mb".to_owned()));
    })
    .await?;
    let config: HashMap<String, String> = ask(&server.url(), ["CONFIG", "GET", "*"]).await?;
    for (name, value) in [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("no-appendfsync-on-rewrite", "no"),
        ("maxmemory-policy", "noeviction"),
        ("maxmemory", "67108864"),
        ("save", ""),
        ("bind", "127.0.0.1"),
        ("protected-mode", "yes"),
    ] {
        assert_eq!(config[name], value, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_is_ready_only_when_its_data_is_loaded() -> Result<()> {
    let mut server = Server::ephemeral_with(|settings| {
        // Microseconds a key: loading takes a tenth of a second.
        settings.extra.push(("key-load-delay".to_owned(), "1000".to_owned()));
    })
    .await?;
    ask::<()>(&server.url(), ["EVAL", "for i = 1, 100 do redis.call('SET', i, i) end", "0"]).await?;
    ask::<()>(&server.url(), ["SET", "last", "one"]).await?;
    server.restart().await?;
    assert_eq!(ask::<u64>(&server.url(), ["DBSIZE"]).await?, 101);
    Ok(())
}

#[tokio::test]
async fn a_stopped_server_ends_well_and_its_guard_goes_with_it() -> Result<()> {
    let mut server = Server::ephemeral_with(|settings| settings.linger = Duration::from_mins(10)).await?;
    let group = Pid::from_raw(server.pid().unwrap().cast_signed());
    assert!(group_lives(group));
    assert!(server.stop().await?.success());
    assert!(server.stop().await?.success(), "stopping again changes nothing");
    eventually("the guard to leave", async || !group_lives(group)).await
}

#[tokio::test]
async fn a_supervisor_notices_the_death_of_its_server() -> Result<()> {
    let mut server = Server::ephemeral(Durability::Volatile).await?;
    kill(Pid::from_raw(server.pid().unwrap().cast_signed()), Signal::SIGKILL)?;
    assert_eq!(server.wait().await?.signal(), Some(9));
    assert_eq!(server.pid(), None);
    Ok(())
}

#[tokio::test]
async fn a_dropped_server_is_gone_and_so_is_its_directory() -> Result<()> {
    let server = Server::ephemeral(Durability::Always).await?;
    let (url, directory) = (server.url(), server.directory().to_owned());
    ask::<()>(&url, ["SET", "key", "value"]).await?;
    drop(server);
    assert!(!answers(&url).await);
    assert!(!directory.exists());
    Ok(())
}

#[tokio::test]
async fn many_servers_run_side_by_side() -> Result<()> {
    let mut starts = JoinSet::new();
    for _ in 0..16 {
        starts.spawn(Server::ephemeral(Durability::Always));
    }
    let servers = starts.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let ports: HashSet<u16> = servers.iter().map(Server::port).collect();
    assert_eq!(ports.len(), 16);
    Ok(())
}

#[tokio::test]
async fn a_busy_port_is_named_with_the_flag_to_choose_another() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let error = Server::ephemeral_with(|settings| settings.port = Some(port)).await.unwrap_err();
    assert!(matches!(error, Error::PortInUse { port: named } if named == port), "{error}");
    assert!(error.to_string().contains("--redis-port"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_directory_in_use_is_refused_until_its_server_is_dropped() -> Result<()> {
    let directory = tempdir()?;
    let binary = binary().await?;
    let first = Server::start(&binary, Settings::new(directory.path())).await?;
    let error = Server::start(&binary, Settings::new(directory.path())).await.unwrap_err();
    assert!(matches!(error, Error::DirectoryInUse { .. }), "{error}");
    drop(first);
    Server::start(&binary, Settings::new(directory.path())).await?;
    Ok(())
}

#[tokio::test]
async fn a_directory_may_have_any_name() -> Result<()> {
    let parent = tempdir()?;
    let directory = parent.path().join("my \"shop\"'s $data");
    let server = Server::start(&binary().await?, Settings::new(&directory)).await?;
    ask::<()>(&server.url(), ["SET", "key", "value"]).await?;
    assert!(directory.join("appendonlydir").exists());
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_at_once_shows_the_end_of_its_log() -> Result<()> {
    let error = Server::ephemeral_with(|settings| {
        settings.extra.push(("no-such-setting".to_owned(), "1".to_owned()));
    })
    .await
    .unwrap_err();
    assert!(matches!(&error, Error::Died { log, .. } if log.contains("no-such-setting")), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_ready_in_time_is_given_up() {
    let error = Server::ephemeral_with(|settings| settings.ready_within = Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, Error::Late { .. }) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn the_log_is_in_the_directory() -> Result<()> {
    let server = Server::ephemeral(Durability::Volatile).await?;
    assert!(std::fs::read_to_string(server.directory().join("server.log"))?.contains("Ready to accept"));
    Ok(())
}

/// Whether a process group has a living member, the server's guard among them.
fn group_lives(group: Pid) -> bool {
    if cfg!(target_os = "linux") { linux_group_lives(group) } else { killpg(group, None).is_ok() }
}

/// Looks closer than a signal can: a container's init may leave the dead unreaped, and those can be signalled too.
fn linux_group_lives(group: Pid) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    stats.any(|stat| {
        // PID (NAME) STATE PARENT GROUP …, where the name may hold anything
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let mut words = after_name.split(' ');
        words.next() != Some("Z") && words.nth(1) == Some(&group.to_string())
    })
}
