//! Where `up` keeps what is to stay.

use std::path::PathBuf;

use anyhow::Context;

/// Which folder.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DataDirArgs {
    /// Where the private Redis and the sandbox keep their data; by default in the user's folder for such
    #[arg(long, env = "ORDERLY_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl DataDirArgs {
    /// Fails where no folder was named and the user has none.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.data_dir {
            return Ok(folder.clone());
        }
        let folders = directories::ProjectDirs::from("", "", "orderly")
            .context("this user has no home folder to keep data in; name one with --data-dir")?;
        Ok(folders.data_local_dir().to_owned())
    }

    /// Where the private Redis is, inside it.
    pub(crate) fn redis(&self) -> anyhow::Result<PathBuf> {
        Ok(self.folder()?.join("redis"))
    }
}
