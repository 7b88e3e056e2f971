use redis::{Arg, Cmd};

/// Where a command has to go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// To the node that holds this key. Other keys of the command must be in the same slot; the server says if not.
    Key(&'a [u8]),
    /// To any node: it has no key.
    Anywhere,
    /// To every node: it prepares what later commands with keys rely on.
    Everywhere,
}

impl<'a> Place<'a> {
    pub(super) fn of(command: &'a Cmd) -> Self {
        if word(command, 0, "SCRIPT") && word(command, 1, "LOAD") {
            return Self::Everywhere;
        }
        first_key(command).map_or(Self::Anywhere, Self::Key)
    }
}

/// The first key of a command, by what the commands' documentation says of its place.
fn first_key(command: &Cmd) -> Option<&[u8]> {
    let name = arg(command, 0)?.to_ascii_uppercase();
    let place = match name.as_slice() {
        b"ACL" | b"AUTH" | b"BGREWRITEAOF" | b"BGSAVE" | b"CLIENT" | b"CLUSTER" | b"COMMAND" | b"CONFIG"
        | b"DBSIZE" | b"DEBUG" | b"ECHO" | b"FAILOVER" | b"FLUSHALL" | b"FLUSHDB" | b"FUNCTION"
        | b"HELLO" | b"INFO" | b"KEYS" | b"LASTSAVE" | b"LATENCY" | b"LOLWUT" | b"MODULE" | b"PING"
        | b"PUBLISH" | b"PUBSUB" | b"RANDOMKEY" | b"ROLE" | b"SAVE" | b"SCAN" | b"SCRIPT" | b"SELECT"
        | b"SHUTDOWN" | b"SLOWLOG" | b"SWAPDB" | b"TIME" | b"WAIT" | b"WAITAOF" => return None,
        // After a subcommand, or after the number of keys.
        b"MEMORY" | b"OBJECT" | b"XGROUP" | b"XINFO" | b"BITOP" | b"LMPOP" | b"SINTERCARD" | b"ZDIFF"
        | b"ZINTER" | b"ZINTERCARD" | b"ZMPOP" | b"ZUNION" => 2,
        // NAME body number key…, where the number may be none
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => {
            return if arg(command, 2)? == b"0" { None } else { arg(command, 3) };
        }
        // NAME timeout number key…
        b"BLMPOP" | b"BZMPOP" => 3,
        b"XREAD" => streams(command, 1)? + 1,
        // After GROUP and two names, either of which may be "streams".
        b"XREADGROUP" => streams(command, 4)? + 1,
        _ => 1,
    };
    arg(command, place)
}

/// Where the word STREAMS stands, looked for from the `from`-th argument on.
fn streams(command: &Cmd, from: usize) -> Option<usize> {
    (from..command.args_iter().len()).find(|&n| word(command, n, "STREAMS"))
}

fn word(command: &Cmd, n: usize, word: &str) -> bool {
    arg(command, n).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
}

fn arg(command: &Cmd, n: usize) -> Option<&[u8]> {
    match command.args_iter().nth(n)? {
        Arg::Simple(arg) => Some(arg),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(words: &str) -> String {
        let mut command = Cmd::new();
        command.arg(words.split(' ').collect::<Vec<_>>());
        match Place::of(&command) {
            Place::Key(key) => String::from_utf8(key.to_vec()).unwrap(),
            place => format!("{place:?}"),
        }
    }

    #[test]
    fn the_first_key_is_found_wherever_the_command_has_it() {
        for command in [
            "GET k",
            "set k v",
            "DEL k other",
            "EVAL text 2 k other arg",
            "evalsha digest 1 k",
            "FCALL name 1 k",
            "XADD k * field value",
            "XGROUP CREATE k group 0",
            "XINFO GROUPS k",
            "OBJECT ENCODING k",
            "XREAD COUNT 1 STREAMS k 0",
            "XREADGROUP GROUP streams STREAMS COUNT 1 streams k >",
            "ZUNION 2 k other",
            "BLMPOP 0 1 k LEFT",
            "SPUBLISH k message",
        ] {
            assert_eq!(place_of(command), "k", "{command}");
        }
    }

    #[test]
    fn a_command_without_a_key_may_go_anywhere() {
        for command in ["PING", "ping hello", "INFO server", "PUBLISH news text", "EVAL text 0 arg", "TIME"] {
            assert_eq!(place_of(command), "Anywhere", "{command}");
        }
        for incomplete in ["GET", "EVAL text", "XREAD COUNT 1", "XINFO", "MEMORY DOCTOR"] {
            assert_eq!(place_of(incomplete), "Anywhere", "{incomplete}");
        }
    }

    #[test]
    fn a_script_is_loaded_everywhere() {
        assert_eq!(place_of("script load return"), "Everywhere");
        assert_eq!(place_of("SCRIPT EXISTS digest"), "Anywhere");
    }
}
