use std::{fmt, marker::PhantomData, sync::Arc};

use redis::RedisResult;
use serde::{Serialize, de::DeserializeOwned};
use tracing::debug;
use uuid::Uuid;

use super::{
    keys::UserKeys,
    options::SessionOptions,
    record::{Saving, Session},
    scripts::{self, Beginning, Stored},
    token::{SessionId, Token},
};
use crate::{Backoff, Connection, Error, Redis};

/// The sessions that all instances of a service share, each with data `D`, kept as JSON. Cheap to clone.
pub struct Sessions<D> {
    redis: Connection,
    options: Arc<SessionOptions>,
    data: PhantomData<fn() -> D>,
}

impl<D> Clone for Sessions<D> {
    fn clone(&self) -> Self {
        Self { redis: self.redis.clone(), options: Arc::clone(&self.options), data: PhantomData }
    }
}

impl<D> fmt::Debug for Sessions<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.options).finish()
    }
}

/// No error is to be taken for "no session"; [`Error::is_transient`] says whether Redis may know better later. Whatever changes
/// something is asked once more if no answer came, so that it takes twice as long to fail as a load. Every future may be
/// dropped.
impl<D: Serialize + DeserializeOwned> Sessions<D> {
    /// Sessions on this Redis, over a connection of their own. Sends nothing yet.
    pub fn new(redis: &Redis, options: SessionOptions) -> Result<Self, Error> {
        Ok(Self { redis: redis.commands()?, options: Arc::new(options), data: PhantomData })
    }

    /// Begins a session of the user of this tag, at a login: always with a token that nobody has seen before. If the client
    /// came with a token already, maybe of another user, that is `replacing`: its session is revoked, once the new one is
    /// there. Of more sessions than a user may have, the one goes that would expire first.
    ///
    /// # Errors
    /// If Redis has not said that all of this is done. Nobody has the new session's token then; it expires. The old session
    /// may be there still.
    pub async fn begin(
        &self,
        tag: &str,
        data: D,
        replacing: Option<&Token>,
    ) -> Result<(Token, Session<D>), Error> {
        let (keys, json) = (self.keys(tag)?, serde_json::to_string(&data)?);
        let (token, version) = (Token::draw(tag), new_version());
        let of_this_user = |old: &&Token| old.tag() == tag;
        let replacing_here = replacing.filter(of_this_user).map(Token::id);
        let beginning =
            Beginning { id: token.id(), data: &json, version: &version, replacing: replacing_here };
        let begin = || scripts::begin(self.redis.clone(), &keys, &beginning, &self.options);
        let (times, too_many) = once_more(begin).await?;
        // Another user's stands in another slot, so it can only go after the new one is there.
        if let Some(old) = replacing.filter(|old| !of_this_user(old)) {
            self.revoke(old).await?;
        }
        self.forget(&keys, &too_many).await;
        let id = token.id().clone();
        Ok((token, Session { data, tag: tag.to_owned(), id, version, times }))
    }

    /// The session of this token, if there is one. Always one round trip, in which its use is noted if that is due.
    ///
    /// # Errors
    /// [`Error::Decode`] if its data is no `D`.
    pub async fn load(&self, token: &Token) -> Result<Option<Session<D>>, Error> {
        let keys = self.keys(token.tag())?;
        let stored = scripts::load(self.redis.clone(), &keys, token.id(), &self.options).await?;
        stored.map(|stored| session(token.tag(), token.id(), stored)).transpose()
    }

    /// Saves a session's data if nobody else has since it was loaded. Never makes a session, so that a slow request does
    /// not undo a logout. After [`Saving::Saved`] the session can be changed and saved again.
    ///
    /// # Errors
    /// The data may have been saved. Saving the same session again then says [`Saving::Changed`].
    pub async fn save(&self, session: &mut Session<D>) -> Result<Saving, Error> {
        let keys = self.keys(&session.tag)?;
        let (json, version) = (serde_json::to_string(&session.data)?, new_version());
        let versions = (&*session.version, &*version);
        let save = || scripts::save(self.redis.clone(), &keys, &session.id, &json, versions);
        let saving = once_more(save).await?;
        if saving == Saving::Saved {
            session.version = version;
        }
        Ok(saving)
    }

    /// Gives a session a new token, when its user gains a right: whoever knew the old one has nothing. Its data, the time
    /// of its login and its end stay. `None` if there is no such session.
    ///
    /// # Errors
    /// The old token may be worth nothing any more, and the new one is not known to anybody; then its user has to log in again.
    pub async fn rotate(&self, token: &Token) -> Result<Option<(Token, Session<D>)>, Error> {
        let (keys, new) = (self.keys(token.tag())?, Token::draw(token.tag()));
        let rotate = || scripts::rotate(self.redis.clone(), &keys, (token.id(), new.id()), &self.options);
        let Some(stored) = once_more(rotate).await? else { return Ok(None) };
        let session = session(new.tag(), new.id(), stored)?;
        Ok(Some((new, session)))
    }

    /// The sessions of one user, those first that expire first, as they are at one moment. One that is begun or rotated
    /// meanwhile may be missing.
    ///
    /// # Errors
    /// [`Error::Decode`] if the data of any of them is no `D`. They can be revoked all the same.
    pub async fn list(&self, tag: &str) -> Result<Vec<Session<D>>, Error> {
        let keys = self.keys(tag)?;
        let ids = scripts::ids(self.redis.clone(), &keys).await?;
        let stored = scripts::list(self.redis.clone(), &keys, ids).await?;
        stored.into_iter().map(|(id, stored)| session(tag, &id, stored)).collect()
    }

    /// Ends a session, at once and for every instance: a logout. False if there is none, as when Redis had to be asked a
    /// second time because its first answer was lost.
    ///
    /// # Errors
    /// It may be there still. It may be revoked again.
    pub async fn revoke(&self, token: &Token) -> Result<bool, Error> {
        self.revoke_by_id(token.tag(), token.id()).await
    }

    /// Ends a session by its public id, if it is this user's.
    ///
    /// # Errors
    /// As for [`revoke`](Self::revoke).
    pub async fn revoke_by_id(&self, tag: &str, id: &SessionId) -> Result<bool, Error> {
        let keys = self.keys(tag)?;
        once_more(|| scripts::revoke(self.redis.clone(), &keys, id)).await
    }

    /// Ends all sessions of a user at once, or all but one: when the password was changed, or the account is closed. Returns
    /// how many there were; none as above, if it was asked a second time.
    ///
    /// # Errors
    /// They may be there still. It may be called again.
    pub async fn revoke_all(&self, tag: &str, except: Option<&Token>) -> Result<usize, Error> {
        let keys = self.keys(tag)?;
        let except = except.map(Token::id);
        let ended = once_more(|| scripts::revoke_all(self.redis.clone(), &keys, except)).await?;
        self.forget(&keys, &ended).await;
        Ok(ended.len())
    }

    /// Deletes what is left of sessions that are ended. It is of no use to anybody, and would expire by itself.
    async fn forget(&self, keys: &UserKeys, ended: &[SessionId]) {
        if ended.is_empty() {
            return;
        }
        if let Err(error) = scripts::forget(self.redis.clone(), keys, ended).await {
            debug!(%error, "what is left of ended sessions is left to expire");
        }
    }

    fn keys(&self, tag: &str) -> Result<UserKeys, Error> {
        UserKeys::new(&self.options.prefix, tag)
    }
}

fn session<D: DeserializeOwned>(tag: &str, id: &SessionId, stored: Stored) -> Result<Session<D>, Error> {
    let Stored { data, version, times } = stored;
    let data = serde_json::from_str(&data).map_err(Error::Decode)?;
    Ok(Session { data, tag: tag.to_owned(), id: id.clone(), version, times })
}

/// Never drawn twice, so that a save which is asked for twice is told from another's.
fn new_version() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Asks once more for what may have been done already, if it is not known whether it was. Only the call itself can:
/// nobody else knows the token or the version that it drew, by which a script sees that it is asked again.
async fn once_more<T, Asking>(ask: impl Fn() -> Asking) -> Result<T, Error>
where
    Asking: Future<Output = RedisResult<T>>,
{
    match ask().await.map_err(Error::from) {
        Err(error) if error.is_transient() => {
            Backoff::wait_to_reconnect(1).await;
            Ok(ask().await?)
        }
        answer => answer,
    }
}
