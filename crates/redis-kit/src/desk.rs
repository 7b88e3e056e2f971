//! Where requests to one server are collected: what is ready together goes together.
//!
//! A script's fixed cost, in Redis, and a command's, in the client, are most of what a lock or a rate limit costs, and much of
//! a read through the cache. Here several requests share them. Nobody waits for others to come: a request goes as soon as
//! all tasks have had their turn that are ready by then.

//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let server = local_redis::Server::ephemeral(local_redis::Durability::Volatile).await?;
//! # let redis = redis_kit::Redis::open(&server.url())?;
//! use redis_kit::{Connection, RedisResult, cmd, desk::{Desk, Request}};
//!
//! /// Adds one to a counter.
//! struct Count(&'static str);
//!
//! impl Request for Count {
//!     type Answer = u64;
//!
//!     fn key(&self) -> &str {
//!         self.0
//!     }
//!
//!     async fn ask(together: &[&Self], mut redis: Connection) -> RedisResult<Vec<RedisResult<u64>>> {
//!         let script = "local counts = {} \
//!             for n, key in ipairs(KEYS) do counts[n] = redis.call('INCR', key) end return counts";
//!         let mut call = cmd("EVAL");
//!         call.arg(script).arg(together.len()).arg(together.iter().map(|count| count.0).collect::<Vec<_>>());
//!         let counts: Vec<u64> = call.query_async(&mut redis).await?;
//!         Ok(counts.into_iter().map(Ok).collect())
//!     }
//! }
//!
//! let desk = Desk::new(redis.commands()?);
//! let (visits, orders, again) =
//!     futures_util::join!(desk.ask(Count("visits")), desk.ask(Count("orders")), desk.ask(Count("visits")));
//! assert_eq!((visits?, orders?, again?), (1, 1, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

use std::{
    future::poll_fn,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::future::{BoxFuture, join_all};
use redis::{ErrorKind, RedisError, RedisResult};
use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
};

use crate::{Connection, connection::slot};

/// What is asked of one server for one lock, subject or entry, and can be asked for several at once.
pub trait Request: Sized + Send + Sync + 'static {
    /// What is answered to one request.
    type Answer: Send;

    /// How many requests share a script call at most. While a server runs it everybody else waits, those who asked among
    /// them; a client that asks again when it is answered works meanwhile if there are several.
    const TOGETHER: usize = 256;

    /// A key, by whose slot it is sent.
    fn key(&self) -> &str;

    /// Asks for all in one script call. The answers are in the requests' order; of those, one that failed by itself says
    /// so ([`error_told`](crate::error_told)). An error of the whole call is everybody's answer, unless it is about some key
    /// (`CROSSSLOT`, `NOPERM`, `TRYAGAIN`): then each is asked for alone, so a script must not raise that after it has written.
    fn ask(
        together: &[&Self],
        redis: Connection,
    ) -> impl Future<Output = RedisResult<Vec<RedisResult<Self::Answer>>>> + Send;

    /// Is told the answer whether or not somebody still waits for it.
    fn answered(&self, _answer: &RedisResult<Self::Answer>) {}
}

/// Takes requests of one kind to one server, or to the nodes of a cluster.
pub struct Desk<R: Request> {
    server: Connection,
    queue: Mutex<Queue<R>>,
    /// A single server runs a script on any keys, and a cluster on keys of one slot. Which it is the first refusal tells.
    by_slot: AtomicBool,
}

/// What is yet to be sent. Nobody need come for it as long as it is empty.
struct Queue<R: Request> {
    asked: Vec<Asked<R>>,
    /// In which runtime the latest task was started that is about to come for it. Another may stand still.
    taker: Option<Id>,
}

struct Asked<R: Request> {
    request: R,
    answer: oneshot::Sender<RedisResult<R::Answer>>,
}

impl<R: Request> Desk<R> {
    /// A desk that sends what it is asked over this connection.
    pub fn new(server: Connection) -> Arc<Self> {
        Arc::new(Self {
            server,
            queue: Mutex::new(Queue { asked: Vec::new(), taker: None }),
            by_slot: AtomicBool::new(false),
        })
    }

    /// Asks, and waits for the answer. What is dropped before it was sent is not sent; what was sent is done all the
    /// same.
    ///
    /// # Errors
    /// What the server answered to this request, or to all that went with it; or that no answer came. Then it may have been
    /// carried out, and is not sent again.
    pub async fn ask(self: &Arc<Self>, request: R) -> RedisResult<R::Answer> {
        let (answer, answered) = oneshot::channel();
        let here = Some(Handle::current().id());
        let is_awaited = {
            let mut queue = self.queue();
            queue.asked.push(Asked { request, answer });
            mem::replace(&mut queue.taker, here) == here
        };
        if !is_awaited {
            tokio::spawn(Round(Some(Arc::clone(self))).run());
        }
        answered.await.unwrap_or_else(|_gone| Err(runtime_ended()))
    }

    /// Every call is made at once, so that none waits behind one that is not answered.
    async fn serve(&self, mut ready: Vec<Asked<R>>) {
        ready.retain(|asked| !asked.answer.is_closed());
        if self.by_slot.load(Ordering::Relaxed) {
            ready.sort_by_cached_key(Asked::slot);
        }
        let mut calls: Vec<Vec<Asked<R>>> = Vec::new();
        for asked in ready {
            match calls.last_mut().filter(|call| self.may_join(call, &asked)) {
                Some(call) => call.push(asked),
                None => calls.push(vec![asked]),
            }
        }
        join_all(calls.into_iter().map(|together| self.call(together))).await;
    }

    fn may_join(&self, call: &[Asked<R>], asked: &Asked<R>) -> bool {
        call.len() < R::TOGETHER && (!self.by_slot.load(Ordering::Relaxed) || call[0].slot() == asked.slot())
    }

    fn call(&self, together: Vec<Asked<R>>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let requests: Vec<&R> = together.iter().map(|asked| &asked.request).collect();
            let answered = R::ask(&requests, self.server.clone()).await;
            let answered = answered.and_then(|answers| one_for_each(&requests, answers));
            match answered {
                Ok(answers) => {
                    for (asked, answer) in together.into_iter().zip(answers) {
                        asked.give(answer);
                    }
                }
                // Some key was refused before anything was done. It must not take the others with it.
                Err(error) if together.len() > 1 && is_about_keys(&error) => {
                    if error.code() == Some("CROSSSLOT") {
                        self.by_slot.store(true, Ordering::Relaxed);
                    }
                    join_all(together.into_iter().map(|alone| self.call(vec![alone]))).await;
                }
                Err(error) => {
                    for asked in together {
                        asked.give(Err(error.clone()));
                    }
                }
            }
        })
    }

    fn take(&self) -> Vec<Asked<R>> {
        let mut queue = self.queue();
        queue.taker = None;
        mem::take(&mut queue.asked)
    }

    fn queue(&self) -> MutexGuard<'_, Queue<R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Request> Asked<R> {
    fn slot(&self) -> u16 {
        slot(self.request.key().as_bytes())
    }

    fn give(self, answer: RedisResult<R::Answer>) {
        self.request.answered(&answer);
        // Who does not want it any more has dropped the other end.
        let _ = self.answer.send(answer);
    }
}

/// A task that takes what is in the queue. If its runtime ends before it does, it leaves the queue empty all the same,
/// or nobody would come for those that follow.
struct Round<R: Request>(Option<Arc<Desk<R>>>);

impl<R: Request> Round<R> {
    async fn run(mut self) {
        behind_the_others().await;
        if let Some(desk) = self.0.take() {
            let ready = desk.take();
            desk.serve(ready).await;
        }
    }
}

impl<R: Request> Drop for Round<R> {
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            drop(desk.take());
        }
    }
}

/// Lets all tasks go first that are ready by now, since they may have something to ask. Unlike tokio's `yield_now` it does not
/// wait until the system has been asked for more, which would take as long as sending the request does.
async fn behind_the_others() {
    let mut is_behind = false;
    poll_fn(|context| {
        if mem::replace(&mut is_behind, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn one_for_each<R, A>(requests: &[&R], answers: Vec<A>) -> RedisResult<Vec<A>> {
    if answers.len() == requests.len() {
        Ok(answers)
    } else {
        Err((ErrorKind::Parse, "not every request was answered").into())
    }
}

/// Whether a server refused the keys of a call, which it looks at before it begins: they are in several slots, not the
/// user's to touch, or half-way between two nodes.
fn is_about_keys(error: &RedisError) -> bool {
    matches!(error.code(), Some("CROSSSLOT" | "NOPERM" | "TRYAGAIN"))
}

/// Nobody is there any more who would send a request, or hear its answer.
pub(crate) fn runtime_ended() -> RedisError {
    let what = "the runtime ended that was to send a request, or to hear the answer";
    std::io::Error::new(std::io::ErrorKind::Interrupted, what).into()
}
