use redis::{ConnectionAddr, RedisError, RedisResult, Value, from_redis_value_ref};

/// How many hash slots a cluster has.
const SLOTS: u16 = 16384;

/// In the place of a node: nobody serves the slot.
const NOBODY: u16 = u16::MAX;

/// Which node serves which slot, as one of the servers told it. A single server is a node that serves them all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SlotMap {
    nodes: Vec<ConnectionAddr>,
    /// By slot: a place in `nodes`, or [`NOBODY`].
    owners: Vec<u16>,
}

impl SlotMap {
    pub(super) fn single(server: ConnectionAddr) -> Self {
        Self { nodes: vec![server], owners: vec![0; SLOTS.into()] }
    }

    /// Reads the answer to `CLUSTER SLOTS` that came from `asked`: ranges, each with its first and its last slot, its
    /// master, and its replicas.
    pub(super) fn read(answer: &Value, asked: &ConnectionAddr) -> RedisResult<Self> {
        let mut map = Self { nodes: Vec::new(), owners: vec![NOBODY; SLOTS.into()] };
        for range in from_redis_value_ref::<Vec<Vec<Value>>>(answer)? {
            let [first, last, master, ..] = range.as_slice() else { continue };
            let [host, port, ..] = &from_redis_value_ref::<Vec<Value>>(master)?[..] else { continue };
            let host: Option<String> = from_redis_value_ref(host)?;
            if let Some(node) = beside(asked, &host.unwrap_or_default(), from_redis_value_ref(port)?) {
                let slots = from_redis_value_ref(first)?..=from_redis_value_ref(last)?;
                map.assign(slots, node);
            }
        }
        Ok(map)
    }

    /// The same with one slot at another node.
    pub(super) fn with(&self, slot: u16, node: ConnectionAddr) -> Self {
        let mut map = self.clone();
        map.assign(slot..=slot, node);
        map
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&ConnectionAddr> {
        self.nodes.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    pub(super) fn nodes(&self) -> &[ConnectionAddr] {
        &self.nodes
    }

    fn assign(&mut self, slots: std::ops::RangeInclusive<u16>, node: ConnectionAddr) {
        let place = self.nodes.iter().position(|known| *known == node).unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        });
        let slots = usize::from(*slots.start())..=usize::from(*slots.end());
        // There are far fewer nodes than slots, and no server names a slot that does not exist.
        let place = u16::try_from(place).unwrap_or(NOBODY);
        self.owners.get_mut(slots).into_iter().flatten().for_each(|owner| *owner = place);
    }
}

/// The node that a server speaks of. By "no host" it means its own, and by "?" that it does not know the node's. Whether
/// TLS is spoken is the same on all nodes.
fn beside(asked: &ConnectionAddr, host: &str, port: u16) -> Option<ConnectionAddr> {
    let named = |own: &str| if host.is_empty() { own.to_owned() } else { host.to_owned() };
    match asked {
        _ if host == "?" => None,
        ConnectionAddr::Tcp(own, _) => Some(ConnectionAddr::Tcp(named(own), port)),
        ConnectionAddr::TcpTls { host: own, insecure, tls_params, .. } => Some(ConnectionAddr::TcpTls {
            host: named(own),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        }),
        _ => None,
    }
}

/// That a node has not carried out a command, and which one will.
#[derive(Debug, PartialEq)]
pub(super) enum Redirect {
    /// The slot is there now, for this command and all that follow.
    Moved { slot: u16, node: ConnectionAddr },
    /// The slot is on its way there; only this command is to be sent there, behind an `ASKING`.
    Ask { node: ConnectionAddr },
}

impl Redirect {
    /// Reads it from an answer that came from `asked`.
    pub(super) fn read(answer: &Value, asked: &ConnectionAddr) -> Option<Self> {
        // An error inside another value is no answer of the cluster's: a script that ran may return anything.
        let Value::ServerError(error) = answer else { return None };
        let error = RedisError::from(error.clone());
        let (address, slot) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        let node = beside(asked, host, port.parse().ok()?)?;
        match error.code()? {
            "MOVED" => Some(Self::Moved { slot, node }),
            _ => Some(Self::Ask { node }),
        }
    }
}

/// The slot of a key: the CRC16 of what stands in its first braces, if anything does, or else of all of it.
///
/// Source: the Redis cluster specification, "Key distribution model" and "Hash tags".
pub(crate) fn slot(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

fn tag(key: &[u8]) -> &[u8] {
    let inside = || {
        let after = &key[key.iter().position(|&byte| byte == b'{')? + 1..];
        let tag = &after[..after.iter().position(|&byte| byte == b'}')?];
        (!tag.is_empty()).then_some(tag)
    };
    inside().unwrap_or(key)
}

/// CRC-16/XMODEM: polynomial 0x1021, starting at zero.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16) -> ConnectionAddr {
        ConnectionAddr::Tcp("here".into(), port)
    }

    fn parse(answer: &str) -> Value {
        redis::parse_redis_value(answer.as_bytes()).unwrap()
    }

    #[test]
    fn a_keys_slot_is_the_specifications() {
        // The specification's own example, and what CLUSTER KEYSLOT answers.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"somekey"), 11058);
        assert_eq!(slot(b"foo{hash_tag}"), 2515);
        assert_eq!(slot(b"bar{hash_tag}"), 2515);
    }

    #[test]
    fn a_hash_tag_is_what_stands_in_the_first_braces() {
        for (key, tagged) in [
            ("{user}.a", "user"),
            ("a{user}", "user"),
            ("a{}{user}", "a{}{user}"),
            ("a{{user}}", "{user"),
            ("a{b}{c}", "b"),
            ("a{b", "a{b"),
            ("a}b{", "a}b{"),
        ] {
            assert_eq!(tag(key.as_bytes()), tagged.as_bytes(), "{key}");
        }
    }

    #[test]
    fn an_answer_to_cluster_slots_names_the_owner_of_every_slot() {
        let answer = parse(
            "*2\r\n\
             *4\r\n:0\r\n:9999\r\n*3\r\n$2\r\nn1\r\n:1\r\n$2\r\nid\r\n*3\r\n$2\r\nr1\r\n:4\r\n$2\r\nid\r\n\
             *3\r\n:10000\r\n:16000\r\n*3\r\n$-1\r\n:2\r\n$2\r\nid\r\n",
        );
        let map = SlotMap::read(&answer, &node(7)).unwrap();
        assert_eq!(map.owner(0), Some(&ConnectionAddr::Tcp("n1".into(), 1)));
        assert_eq!(map.owner(9999), map.owner(0));
        assert_eq!(map.owner(10_000), Some(&node(2)), "no host means that of the node that was asked");
        assert_eq!(map.owner(16_001), None);
        assert_eq!(map.nodes().len(), 2, "a replica is no place for a command");

        let moved = map.with(9999, node(3));
        assert_eq!(moved.owner(9999), Some(&node(3)));
        assert_eq!(moved.owner(9998), map.owner(0));
    }

    #[test]
    fn a_redirect_names_a_slot_and_a_node() {
        let moved = parse("-MOVED 866 there:2\r\n");
        let there = ConnectionAddr::Tcp("there".into(), 2);
        let expected = Redirect::Moved { slot: 866, node: there.clone() };
        assert_eq!(Redirect::read(&moved, &node(1)), Some(expected));
        let ask = parse("-ASK 866 there:2\r\n");
        assert_eq!(Redirect::read(&ask, &node(1)), Some(Redirect::Ask { node: there }));
        let no_host = parse("-MOVED 866 :2\r\n");
        let here = Redirect::Moved { slot: 866, node: node(2) };
        assert_eq!(Redirect::read(&no_host, &node(1)), Some(here));
    }

    #[test]
    fn what_was_carried_out_is_never_taken_for_a_redirect() {
        for answer in ["-MOVED 866 ?:2\r\n", "-TRYAGAIN later\r\n", "+OK\r\n", "*1\r\n-MOVED 866 there:2\r\n"]
        {
            assert_eq!(Redirect::read(&parse(answer), &node(1)), None, "{answer}");
        }
    }
}
