/// Whether this may stand in keys, hash tags, cookies and header fields as it is: 1 to 64 of `[A-Za-z0-9_.-]`.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(may_stand)
}
