//! The cookie in which a browser keeps its token.

use std::fmt;

use super::{record::Session, token::Token};

/// Whether a browser sends the cookie when it comes from another site. Never `None`: that is a request forged by any site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Only when its user follows a link there.
    #[default]
    Lax,
    /// Never: whoever follows a link arrives without a session.
    Strict,
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A session's cookie: `__Host-<name>`, `Secure`, `HttpOnly`, `Path=/`, and without a `Domain`. For a cookie of this prefix browsers
/// insist on all that, so that no other host, no subdomain and no plain HTTP can set one.
///
/// ```
/// use redis_kit::session::SessionCookie;
///
/// let cookie = SessionCookie::default();
/// assert_eq!(cookie.clear(), "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
/// assert!(cookie.read(["theme=dark; __Host-session=nonsense"]).is_none());
/// ```
///
/// Source: RFC 6265bis, "Cookies: HTTP State Management Mechanism", 4.1.3.2, "The `__Host-` Prefix".
#[derive(Clone, Debug)]
pub struct SessionCookie {
    name: String,
    same_site: SameSite,
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self::new("session", SameSite::default())
    }
}

impl SessionCookie {
    /// The cookie `__Host-<name>`. The name is the application's own choice, of letters, digits, `_` and `-`.
    pub fn new(name: &str, same_site: SameSite) -> Self {
        Self { name: format!("__Host-{name}"), same_site }
    }

    /// The value of the `Set-Cookie` header that gives a browser the token of a session that was just begun or rotated. It
    /// lasts until the session's absolute end, so it need not be sent again: the idle timeout is Redis's alone.
    pub fn set<D>(&self, token: &Token, session: &Session<D>) -> String {
        self.header(token.as_str(), session.rest().as_secs())
    }

    /// The value of the `Set-Cookie` header that takes it away, at a logout.
    pub fn clear(&self) -> String {
        self.header("", 0)
    }

    fn header(&self, value: &str, max_age: u64) -> String {
        let Self { name, same_site } = self;
        format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={max_age}")
    }

    /// The token in a request's `Cookie` headers, of which HTTP/2 may make several. `None` if there is none, and also if
    /// there is more than one cookie of this name: a browser has only one, so somebody tampers, and nobody knows which is right.
    pub fn read<'a>(&self, headers: impl IntoIterator<Item = &'a str>) -> Option<Token> {
        let pairs = headers.into_iter().flat_map(|header| header.split(';'));
        let mut values = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name.trim() == self.name).then(|| value.trim())
        });
        let only = values.next()?;
        if values.next().is_some() { None } else { Token::parse(only) }
    }

    /// The same by a request's head. Whether the token opens anything is another question.
    #[cfg(feature = "axum")]
    pub fn token_of(&self, headers: &http::HeaderMap) -> Option<Token> {
        let lines = headers.get_all(http::header::COOKIE).into_iter();
        self.read(lines.filter_map(|line| line.to_str().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[&str]) -> Option<String> {
        SessionCookie::default().read(headers.iter().copied()).map(|token| token.as_str().to_owned())
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let token = Token::draw("ann");
        let ours = format!("__Host-session={}", token.as_str());
        for headers in [
            vec![ours.clone()],
            vec![format!("a=1; {ours}; session=x.y; b")],
            vec![format!(";; =;{ours} ;")],
            vec!["a=1".into(), ours.clone()],
            vec![format!("a={ours}x=; __host-session=1; {ours}")],
        ] {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            assert_eq!(read(&headers).as_deref(), Some(token.as_str()), "{headers:?}");
        }
    }

    #[test]
    fn what_is_not_one_single_token_is_none() {
        let [a, b] = [(); 2].map(|()| format!("__Host-session={}", Token::draw("ann").as_str()));
        assert!(read(&[]).is_none());
        assert!(read(&[""]).is_none());
        assert!(read(&["__Host-session="]).is_none());
        assert!(read(&["__Host-session"]).is_none());
        assert!(read(&["__Host-session=ann.0"]).is_none());
        assert!(read(&[&a.replace("__Host-", "")]).is_none());
        assert!(read(&[&format!("{a}; {b}")]).is_none(), "two in one header");
        assert!(read(&[&a, &b]).is_none(), "two in two headers");
        assert!(read(&[&a, "__Host-session=x"]).is_none(), "one of two that is no token");
    }

    #[test]
    fn strict_is_said() {
        let cookie = SessionCookie::new("id", SameSite::Strict);
        assert_eq!(cookie.clear(), "__Host-id=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    }
}
