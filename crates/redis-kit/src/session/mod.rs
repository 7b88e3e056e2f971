//! Sessions shared by every instance of a service: who is logged in, until when, and with what data.
//!
//! A session belongs to a user, who is named by a *tag*: an id that the application chooses, of 1 to 64 letters, digits,
//! `_`, `.` and `-`. The client holds a [`Token`] of 256 random bits; Redis knows its hash alone. The data is any serde type.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | log in | [`Sessions::begin`] | a token that nobody knew before; the session from before goes |
//! | know who asks | [`Sessions::load`] | one round trip, and a write once in a tenth of the idle time |
//! | change the data | [`Sessions::save`] | of several who read the same one saves; a session that is gone stays gone |
//! | give a user more rights | [`Sessions::rotate`] | the same session under a new token; the old one is worth nothing |
//! | log out, here or elsewhere | [`Sessions::revoke`], [`Sessions::revoke_by_id`] | gone at once, for every instance |
//! | log out everywhere | [`Sessions::revoke_all`] | all in one step: none is rotated out of reach meanwhile |
//! | show users where they are logged in | [`Sessions::list`] | ids that may be shown, and the data |
//! | keep the token in a browser | [`SessionCookie`] | `__Host-`, `Secure`, `HttpOnly`, `SameSite` |
//! | have axum's handlers ask for it | `SessionOf`, by the feature `axum` | none, and Redis failed, are told apart |
//!
//! # An example
//! ```no_run
//! use redis_kit::{
//!     Redis,
//!     session::{Saving, SessionCookie, SessionOptions, Sessions},
//! };
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Login {
//!     customer: String,
//!     seen_offers: u32,
//! }
//!
//! # async fn run(request: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::open("redis://127.0.0.1:6379")?;
//! let (sessions, cookie) = (Sessions::new(&redis, SessionOptions::default())?, SessionCookie::default());
//!
//! // The password was right. Whatever session the browser had, it goes.
//! let login = Login { customer: "17".into(), seen_offers: 0 };
//! let (token, session) = sessions.begin("17", login, cookie.read([request]).as_ref()).await?;
//! println!("Set-Cookie: {}", cookie.set(&token, &session));
//!
//! // At a later request.
//! let Some(token) = cookie.read([request]) else { return Ok(()) };
//! while let Some(mut session) = sessions.load(&token).await? {
//!     session.data.seen_offers += 1;
//!     // Somebody else may have saved meanwhile: then again, from what they saved.
//!     if sessions.save(&mut session).await? != Saving::Changed {
//!         break;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A small shop by axum is `examples/sessions.rs`.
//!
//! # The index decides
//! For each user there is an index of the sessions that stand, by when each expires. There is a session if the index says so;
//! the hash with its data says nothing by itself. So the end of all of a user's sessions is one step on one key, and whoever
//! deletes that key by hand (`DEL session:{17}`) has logged the user out. A login, a rotation and a noted use clear it of what
//! has expired, and it expires with the last session in it.
//!
//! # Two timeouts, by Redis's clock
//! A session ends when it is not used for the [idle](SessionOptions::idle) time, and so long after the login as the
//! [absolute](SessionOptions::absolute) time says, however much it is used. A use is written down only if the last note
//! is a tenth of the idle time old: else every read would be a write. So a session may end that much before its idle time
//! is over; never after it. Clients have no say, and neither have the clocks of the instances.
//!
//! # Why nothing is kept in memory
//! A copy in an instance would spare a round trip, and keep who was logged out logged in for as long as it is believed, which
//! is forever if the word of the logout is lost. Somebody who takes a stolen phone's session away must not wait. So every request
//! asks, and an error is an error: [`Error::is_transient`](crate::Error::is_transient) says whether to answer 503.
//!
//! # What happens, and what becomes of the session
//! | what happens | then |
//! |---|---|
//! | Redis cannot be reached | an error, never "no session"; who was logged in still is when it comes back |
//! | the answer to a login, a rotation, a save or a revocation is lost | it is asked once more by the same token or version, which does it once |
//! | the second answer is lost too, or the future dropped | it was done or not, as a whole; a session whose token nobody has is listed, and expires |
//! | a rotation is done and its client never hears of it | that client has to log in again |
//! | a request saves after a logout, an expiry or a rotation | [`Saving::Gone`], and nothing is made |
//! | a login replaces another user's session | the old one goes after the new one is there; if that fails, the login fails |
//! | one login more than a user may have sessions | the session that would expire first is logged out |
//! | the data is no `D` any more, after an upgrade | [`Error::Decode`](crate::Error::Decode); give new fields serde's `default` |
//! | the browser sends two cookies of the name | none counts: somebody tampers |
//! | Redis is full | nobody logs in and nothing is saved; who is logged in stays so, and can log out |
//!
//! # What it does not promise
//! - **After a failover** a session may be back that was revoked just before, or one gone that was just begun: replication is
//!   asynchronous. The sessions' Redis must not evict keys, or users are logged out when it is full.
//! - **A logout and a rotation at once.** If the rotation is first, the logout comes with a token that leads nowhere, and the
//!   session stays under its new one. An application that does both at once ends it by [`Sessions::revoke_all`].
//! - **A login that began before** [`Sessions::revoke_all`] and comes after it stands. Who changes a password changes it first.
//! - **A stolen token** is as good as the one it was copied from, until it ends. Nothing binds it to a machine.
//! - **Forged requests** from other sites: `SameSite` keeps most out; what changes something should look at `Origin` too.
//! - **Who may read Redis** reads the data. It is not encrypted; only the login is not in there.
//!
//! # Keys
//! All of a user's are in one slot ([`UserKeys`]): `<prefix>session:{<tag>}`, the index, and
//! `<prefix>session:{<tag>}:<hash of the token>` for each session.
//!
//! # Sources
//! - OWASP Application Security Verification Standard 5.0, V7 "Session Management".
//! - connect-redis#328 and #75, express-session#891, spring-session#1791: a logout undone, saves lost, a write for each read,
//!   an index that grows.

mod cookie;
#[cfg(feature = "axum")]
mod extract;
mod keys;
mod options;
mod record;
mod scripts;
mod sessions;
mod token;

pub use cookie::{SameSite, SessionCookie};
#[cfg(feature = "axum")]
pub use extract::{SessionOf, SessionRejection};
pub use keys::UserKeys;
pub use options::SessionOptions;
pub use record::{Saving, Session};
pub use sessions::Sessions;
pub use token::{SessionId, Token};
