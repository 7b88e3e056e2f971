//! Logging in and out, and what an account may do.

use serde_json::json;

use crate::{
    harness::{Answer, Shop, two_books},
    people::{Cookie, PASSWORD},
};

#[tokio::test]
async fn a_login_is_a_cookie_that_only_this_host_gets_over_tls_and_no_script_reads() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    shop.gateway.customer(&admin, "Ada@Example.com").await;
    let answer = shop.gateway.try_login("ADA@example.com", PASSWORD).await;
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let me = answer.json();
    assert_eq!((&me["email"], &me["role"]), (&json!("ada@example.com"), &json!("customer")));
    assert!(me["customer_id"].as_str().unwrap().starts_with("acct-"), "{me}");
    let shown = shop.gateway.get_as(&Cookie::of(&answer), "/me").await.json();
    assert_eq!(shown["customer_id"], me["customer_id"]);
    assert_eq!(shown["session"]["current"], true);
}

#[tokio::test]
async fn without_a_session_the_private_routes_are_401() {
    let shop = Shop::open().await;
    for (method, path) in
        [("GET", "/me"), ("GET", "/me/sessions"), ("DELETE", "/me/sessions"), ("GET", "/orders")]
    {
        let answer = Answer::to(shop.gateway.request(method, path)).await;
        assert!(answer.problem(401)["detail"].as_str().unwrap().contains("/login"));
    }
    for cookie in ["", "x", "a.b", &format!("{}.{}", "a".repeat(32), "b".repeat(43)), "{1}.x", "a:b.c"] {
        let cookie = Cookie(format!("__Host-session={cookie}"));
        shop.gateway.get_as(&cookie, "/me").await.problem(401);
    }
}

#[tokio::test]
async fn what_only_an_admin_may_do_is_403_for_a_customer_and_401_for_a_guest() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let customer = shop.gateway.customer(&admin, "ada@example.com").await;
    let product = json!({ "name": "Pen", "unit_price": { "amount": "1.00", "currency": "EUR" } });
    let account = json!({ "email": "b@example.com", "password": PASSWORD, "role": "admin" });
    for (method, path, body) in [("PUT", "/products/PEN-1", product), ("POST", "/accounts", account)] {
        shop.gateway.send_as(&customer, method, path, body.clone()).await.problem(403);
        Answer::to(shop.gateway.json(method, path, body.clone())).await.problem(401);
        let allowed = shop.gateway.send_as(&admin, method, path, body).await;
        assert!(allowed.status.is_success(), "{}", allowed.text());
    }
    shop.gateway.get_as(&customer, "/orders/events").await.problem(403);
    shop.gateway.get("/orders/events").await.problem(401);
}

#[tokio::test]
async fn an_address_has_one_account_and_a_password_has_a_length() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    shop.gateway.customer(&admin, "ada@example.com").await;
    let account =
        |email: &str, password: &str| json!({ "email": email, "password": password, "role": "customer" });
    let add = async |body| shop.gateway.send_as(&admin, "POST", "/accounts", body).await;
    add(account("ADA@example.com", PASSWORD)).await.problem(409);
    assert!(add(account("nobody", PASSWORD)).await.field_errors().contains_key("/email"));
    assert!(add(account("b@example.com", "short")).await.field_errors().contains_key("/password"));
    assert!(
        add(json!({ "email": "b@b", "password": PASSWORD, "role": "owner" }))
            .await
            .field_errors()
            .contains_key("/role")
    );
}

#[tokio::test]
async fn an_account_orders_in_its_own_name_and_nobody_else_does() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let customer_id = shop.gateway.get_as(&ada, "/me").await.json()["customer_id"].clone();
    let items = json!([{ "sku": "PEN-1", "quantity": 1 }]);
    let placed = shop.gateway.send_as(&ada, "POST", "/orders", json!({ "items": items })).await;
    placed.order_id();
    assert_eq!(placed.json()["customer_id"], customer_id);
    let named = json!({ "customer_id": customer_id, "items": items });
    shop.gateway.send_as(&ada, "POST", "/orders", named.clone()).await.order_id();
    // Neither a guest nor another may use the name, and the account may not use another's.
    shop.gateway.post(named.clone()).await.problem(403);
    let bob = shop.gateway.customer(&admin, "bob@example.com").await;
    shop.gateway.send_as(&bob, "POST", "/orders", named).await.problem(403);
    shop.gateway.send_as(&ada, "POST", "/orders", two_books()).await.problem(403);
    let nobody = shop.gateway.post(json!({ "customer_id": "acct-none", "items": items })).await;
    nobody.problem(403);
    assert!(shop.gateway.post(json!({ "items": items })).await.field_errors().contains_key("/customer_id"));
}

#[tokio::test]
async fn an_accounts_order_is_seen_by_it_and_by_admins_and_for_others_does_not_exist() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let bob = shop.gateway.customer(&admin, "bob@example.com").await;
    let items = json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] });
    let placed = shop.gateway.send_as(&ada, "POST", "/orders", items).await;
    let path = format!("/orders/{}", placed.order_id());
    for cookie in [&ada, &admin] {
        assert_eq!(shop.gateway.get_as(cookie, &path).await.json(), placed.json());
    }
    let (none, events) =
        (shop.gateway.get(&format!("/orders/{}", uuid::Uuid::new_v4())).await, format!("{path}/events"));
    for other in [
        shop.gateway.get_as(&bob, &path).await,
        shop.gateway.get(&path).await,
        shop.gateway.get(&events).await,
    ] {
        assert_eq!(other.problem(404), none.problem(404), "as if there were none");
    }
    // A guest's order is seen by whoever has its id.
    let guests = shop.gateway.place().await;
    assert_eq!(shop.gateway.get_as(&bob, &format!("/orders/{guests}")).await.status, 200);
}

#[tokio::test]
async fn an_idempotency_key_is_its_callers_own() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let bob = shop.gateway.customer(&admin, "bob@example.com").await;
    let body = json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] });
    let post = async |cookie: &Cookie| {
        let request =
            shop.gateway.order(&body).header("cookie", &cookie.0).header("idempotency-key", "the-same");
        Answer::to(request).await
    };
    let first = post(&ada).await;
    assert_eq!(post(&ada).await.body, first.body);
    let others = post(&bob).await;
    assert_ne!(others.order_id(), first.order_id());
    assert_eq!(others.header("idempotent-replayed"), None);
    // With the cookie of a session that has ended, the caller is a guest, and gets nobody's answer.
    shop.gateway.send_as(&ada, "POST", "/logout", json!({})).await;
    assert!(post(&ada).await.field_errors().contains_key("/customer_id"));
}

#[tokio::test]
async fn whoever_only_claims_to_be_somebody_learns_nothing_of_their_keys() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let (tag, secret) = ada.0.rsplit_once('.').unwrap();
    let forged = Cookie(format!("{tag}.{}", "0".repeat(secret.len())));
    let post = async |cookie: &Cookie, body| {
        let request = shop.gateway.order(body).header("cookie", &cookie.0);
        Answer::to(request.header("idempotency-key", "the-same")).await
    };
    let adas = post(&ada, json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] })).await;
    // Not that the key was used, and for something else: this is a guest's, who has never used it.
    let guests = post(&forged, two_books()).await;
    assert_ne!(guests.order_id(), adas.order_id());
    assert_eq!(guests.header("idempotent-replayed"), None);
    post(&ada, two_books()).await.problem(422);
}

#[tokio::test]
async fn a_password_is_not_repeated_to_whoever_sends_it_in_a_wrong_type() {
    let shop = Shop::open().await;
    for password in ["8675309868", "[\"8675309868\"]", "{\"8675309868\":1}", "8675309868.5"] {
        let body = format!(r#"{{"email":"ada@example.com","password":{password}}}"#);
        let login = shop.gateway.request("POST", "/login").header("content-type", "application/json");
        let answer = Answer::to(login.body(body)).await;
        assert_eq!(answer.field_errors()["/password"].split(" at line").next(), Some("expected a string"));
        assert!(!answer.text().contains("8675309"), "{}", answer.text());
    }
}

#[tokio::test]
async fn one_lists_ones_own_orders_page_by_page_and_an_admin_anybodys() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let bob = shop.gateway.customer(&admin, "bob@example.com").await;
    let body = json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] });
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(shop.gateway.send_as(&ada, "POST", "/orders", body.clone()).await.order_id().to_string());
    }
    placed.reverse();
    let ids = |answer: &Answer| -> Vec<String> {
        let orders = answer.json()["orders"].as_array().unwrap().clone();
        orders.iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
    };
    test_support::eventually("all orders to be listed", crate::harness::PATIENCE, || async {
        let listed = ids(&shop.gateway.get_as(&ada, "/orders").await);
        if listed == placed { Ok(()) } else { Err(listed.len()) }
    })
    .await;
    let (mut path, mut paged) = ("/orders?limit=2".to_owned(), Vec::new());
    loop {
        let page = shop.gateway.get_as(&ada, &path).await;
        paged.push(ids(&page));
        let Some(cursor) = page.json()["next_cursor"].as_str().map(str::to_owned) else { break };
        path = format!("/orders?limit=2&cursor={cursor}");
    }
    assert_eq!(paged.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(paged.concat(), placed);
    assert!(ids(&shop.gateway.get_as(&bob, "/orders").await).is_empty());
    let customer_id =
        shop.gateway.get_as(&ada, "/me").await.json()["customer_id"].as_str().unwrap().to_owned();
    let of_ada = format!("/orders?customer_id={customer_id}");
    shop.gateway.get_as(&bob, &of_ada).await.problem(403);
    assert_eq!(ids(&shop.gateway.get_as(&admin, &of_ada).await), placed);
    for wrong in ["limit=0", "limit=101", "limit=x", "cursor=x", "colour=red"] {
        shop.gateway.get_as(&ada, &format!("/orders?{wrong}")).await.problem(400);
    }
}
