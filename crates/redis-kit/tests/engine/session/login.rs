//! A login: a token that nobody knew, known to every instance at once, and no more sessions than a user may have.

use redis_kit::{
    Error,
    session::{SessionOptions, Sessions, Token},
};

use super::{Cart, INDEX, USER, instance, is_logged_in, key, limited, load, login};
use crate::harness::Bench;

#[tokio::test]
async fn a_login_is_known_to_every_instance() {
    let bench = Bench::start().await;
    let [one, other] = [(); 2].map(|()| instance(&bench.redis()));
    let (token, begun) = one.begin(USER, Cart { items: 3 }, None).await.unwrap();
    let found = load(&other, &token).await;
    assert_eq!((found.data.items, found.tag(), found.id()), (3, USER, token.id()));
    assert_eq!((found.created(), found.ends()), (begun.created(), begun.ends()));
    assert_eq!(found.last_seen(), found.created());
    assert_eq!(found.ends().duration_since(found.created()), super::ABSOLUTE.try_into().unwrap());
    let now = jiff::Timestamp::from_millisecond(bench.expires(&key(&token)).await).unwrap();
    assert_eq!(now.duration_since(found.created()), super::IDLE.try_into().unwrap());
}

/// Session fixation: an attacker has a victim log in by a token that the attacker knows.
#[tokio::test]
async fn a_token_from_before_the_login_is_worth_nothing_after_it() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let planted = login(&sessions).await;
    let (token, _) = sessions.begin(USER, Cart::default(), Some(&planted)).await.unwrap();
    assert_ne!(token.as_str(), planted.as_str());
    assert!(is_logged_in(&sessions, &token).await);
    assert!(!is_logged_in(&sessions, &planted).await);
    assert!(!bench.is_there(&key(&planted)).await);
}

#[tokio::test]
async fn the_session_from_before_may_be_another_users() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    for other in ["guest-1", "guest-2", "guest-3"] {
        let (guest, _) = sessions.begin(other, Cart::default(), None).await.unwrap();
        let (token, _) = sessions.begin(USER, Cart::default(), Some(&guest)).await.unwrap();
        assert!(is_logged_in(&sessions, &token).await);
        assert!(!is_logged_in(&sessions, &guest).await, "{other}");
    }
}

#[tokio::test]
async fn the_old_session_stays_if_the_new_one_cannot_begin() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let (guest, _) = sessions.begin("guest", Cart::default(), None).await.unwrap();
    bench.run::<()>(&["SET", INDEX, "something else"]).await;
    let refused = sessions.begin(USER, Cart::default(), Some(&guest)).await.unwrap_err();
    assert!(!refused.is_transient(), "{refused}");
    assert!(is_logged_in(&sessions, &guest).await);
    let keys: Vec<String> = bench.run(&["KEYS", "session:{t}:*"]).await;
    assert!(keys.is_empty(), "half of a session: {keys:?}");
}

#[tokio::test]
async fn with_too_many_the_one_goes_that_was_not_used_for_the_longest_time() {
    let bench = Bench::start().await;
    let sessions = limited(&bench.redis(), SessionOptions { max_per_user: 3, ..SessionOptions::default() });
    let [a, b, c] = [login(&sessions).await, login(&sessions).await, login(&sessions).await];
    for token in [&a, &b, &c] {
        bench.age(token, super::IDLE / 2).await;
    }
    load(&sessions, &a).await;
    load(&sessions, &c).await;
    let d = login(&sessions).await;
    let mut logged_in = Vec::new();
    for token in [&a, &b, &c, &d] {
        logged_in.push(is_logged_in(&sessions, token).await);
    }
    assert_eq!(logged_in, [true, false, true, true]);
    assert!(!bench.is_there(&key(&b)).await);
    assert_eq!(bench.indexed().await.len(), 3);
}

#[tokio::test]
async fn what_is_replaced_makes_room_for_the_new_one() {
    let bench = Bench::start().await;
    let sessions = limited(&bench.redis(), SessionOptions { max_per_user: 2, ..SessionOptions::default() });
    let [a, b] = [login(&sessions).await, login(&sessions).await];
    let (c, _) = sessions.begin(USER, Cart::default(), Some(&b)).await.unwrap();
    assert!(is_logged_in(&sessions, &a).await && is_logged_in(&sessions, &c).await);
    assert_eq!(bench.indexed().await.len(), 2);
}

#[tokio::test]
async fn the_new_one_stays_however_few_are_allowed() {
    let bench = Bench::start().await;
    let many = instance(&bench.redis());
    for _ in 0..5 {
        login(&many).await;
    }
    let none = limited(&bench.redis(), SessionOptions { max_per_user: 0, ..SessionOptions::default() });
    let token = login(&none).await;
    assert!(is_logged_in(&none, &token).await);
    assert_eq!(bench.indexed().await, [token.id().as_str()]);
}

/// Who reads Redis, or a backup of it, logs in as nobody.
#[tokio::test]
async fn a_dump_of_redis_is_no_login() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let (_, secret) = token.as_str().rsplit_once('.').unwrap();
    let mut dump = bench.indexed().await;
    dump.extend(bench.run::<Vec<String>>(&["KEYS", "*"]).await);
    dump.extend(bench.run::<Vec<String>>(&["HVALS", &key(&token)]).await);
    for text in dump {
        assert!(!text.contains(secret), "{text}");
        let tries = [text.clone(), text.replace("session:{t}:", "t."), format!("t.{text}")];
        for token in tries.iter().filter_map(|text| Token::parse(text)) {
            assert!(!is_logged_in(&sessions, &token).await, "{text}");
        }
    }
}

#[tokio::test]
async fn a_token_that_was_tampered_with_leads_nowhere() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    login(&sessions).await;
    sessions.begin("u", Cart::default(), None).await.unwrap();
    let text = token.as_str();
    let (start, last) = text.split_at(text.len() - 1);
    let other_last = if last == "0" { "1" } else { "0" };
    let tampered = [format!("{start}{other_last}"), text.replacen('t', "u", 1), text.replacen('t', "t.t", 1)];
    for text in tampered {
        let token = Token::parse(&text).expect("it looks like one");
        assert!(!is_logged_in(&sessions, &token).await, "{text}");
    }
    let odd = [
        start.to_owned(),
        format!("{text}0"),
        format!("{{t}}:{text}"),
        format!("{text}\r\n"),
        text.to_uppercase(),
    ];
    assert!(odd.iter().all(|text| Token::parse(text).is_none()));
}

#[tokio::test]
async fn what_is_no_tag_gets_near_no_key() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let id = login(&sessions).await.id().clone();
    let before = bench.calls("evalsha").await;
    for tag in ["", "{t}", "a:b", "a\r\nDEL x", &"x".repeat(65)] {
        let refused = [
            sessions.begin(tag, Cart::default(), None).await.err(),
            sessions.list(tag).await.err(),
            sessions.revoke_by_id(tag, &id).await.err(),
            sessions.revoke_all(tag, None).await.err(),
        ];
        for error in refused {
            assert!(matches!(error, Some(Error::InvalidUserTag { .. })), "{error:?}");
        }
    }
    assert_eq!(bench.calls("evalsha").await, before);
}

#[tokio::test]
async fn data_that_is_none_any_more_is_an_error_and_not_nobody() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let renamed = Sessions::<Vec<u8>>::new(&bench.redis(), SessionOptions::default()).unwrap();
    let error = renamed.load(&token).await.unwrap_err();
    assert!(matches!(error, Error::Decode(_)) && !error.is_transient(), "{error}");
    assert!(renamed.list(USER).await.is_err());
    assert_eq!(renamed.revoke_all(USER, None).await.unwrap(), 1);
}

#[tokio::test]
async fn a_prefix_keeps_applications_apart() {
    let bench = Bench::start().await;
    let named = |prefix: &str| SessionOptions { prefix: prefix.into(), ..SessionOptions::default() };
    let [shop, blog] = ["shop:", "blog:"].map(|prefix| limited(&bench.redis(), named(prefix)));
    let token = login(&shop).await;
    assert!(is_logged_in(&shop, &token).await && !is_logged_in(&blog, &token).await);
    assert!(bench.is_there(&format!("shop:{}", key(&token))).await);
}
