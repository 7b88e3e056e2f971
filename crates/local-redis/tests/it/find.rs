//! The right server is found, and a wrong one is refused with a reason.

use anyhow::Result;
use local_redis::{Error, Finder, Flavour, ServerBinary, ServerChoice, Source};
use tempfile::tempdir;

use crate::support::script;

const REDIS_7: &str = "echo 'Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64'";
const REDIS_6: &str = "echo 'Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64'";
const VALKEY_8: &str = "echo 'Valkey server v=8.1.0 sha=00000000:0 malloc=libc bits=64'";

async fn find(finder: &Finder) -> Result<ServerBinary, Error> {
    finder.find(&|step| panic!("nothing here needs to be fetched, but: {step}")).await
}

#[tokio::test]
async fn valkey_is_preferred_on_the_path() -> Result<()> {
    let folder = tempdir()?;
    script(folder.path(), "redis-server", REDIS_7)?;
    let valkey = script(folder.path(), "valkey-server", VALKEY_8)?;
    let found = find(&Finder::new(ServerChoice::Auto).search_path(folder.path())).await?;
    assert_eq!((found.path(), found.flavour(), found.source()), (&*valkey, Flavour::Valkey, Source::Path));
    assert_eq!(found.version().to_string(), "8.1.0");
    Ok(())
}

#[tokio::test]
async fn a_server_on_the_path_that_is_too_old_is_passed_over() -> Result<()> {
    let folder = tempdir()?;
    script(folder.path(), "valkey-server", REDIS_6)?;
    let redis = script(folder.path(), "redis-server", REDIS_7)?;
    let found = find(&Finder::new(ServerChoice::Auto).search_path(folder.path())).await?;
    assert_eq!(found.path(), redis);
    Ok(())
}

#[tokio::test]
async fn path_alone_refuses_a_server_that_is_too_old_and_fetches_none() -> Result<()> {
    let folder = tempdir()?;
    script(folder.path(), "redis-server", REDIS_6)?;
    let error = find(&Finder::new(ServerChoice::Path).search_path(folder.path())).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("there is no valkey-server on the PATH"), "{text}");
    assert!(text.contains("is version 6.2.14; 7.0.0 or newer is needed"), "{text}");
    Ok(())
}

#[tokio::test]
async fn when_nothing_works_each_place_is_listed_with_its_reason_and_the_ways_out() -> Result<()> {
    let folder = tempdir()?;
    let nowhere = folder.path().join("nowhere");
    let finder = Finder::new(ServerChoice::Auto).search_path("").cache(folder.path()).python(nowhere);
    let error = finder.find(&|_| ()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::NoServer { tried, .. } if tried.len() == 3));
    for part in ["valkey-server:", "redis-server:", "wheel:", "REDIS_URL", "--redis-server FILE", "python3"] {
        assert!(text.contains(part), "{part} is missing from: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_named_file_is_used_whatever_its_name() -> Result<()> {
    let folder = tempdir()?;
    let file = script(folder.path(), "my own redis", REDIS_7)?;
    let found = find(&Finder::new(ServerChoice::File(file.clone())).search_path("")).await?;
    assert_eq!((found.path(), found.source()), (&*file, Source::File));
    Ok(())
}

#[tokio::test]
async fn a_named_file_that_is_missing_or_not_executable_is_refused() -> Result<()> {
    let folder = tempdir()?;
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "not a program")?;
    for file in [plain, folder.path().join("missing")] {
        let error = find(&Finder::new(ServerChoice::File(file))).await.unwrap_err();
        assert!(matches!(error, Error::DoesNotRun { .. }), "{error}");
        assert!(error.to_string().contains("chmod +x"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_named_file_that_is_another_program_is_refused_with_what_it_said() -> Result<()> {
    let folder = tempdir()?;
    let file = script(folder.path(), "cli", "echo redis-cli 7.0.15")?;
    let error = find(&Finder::new(ServerChoice::File(file))).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotAServer { answer, .. } if answer.contains("redis-cli 7.0.15")),
        "{error}"
    );
    Ok(())
}
