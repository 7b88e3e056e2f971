//! The API as it describes itself.

use serde_json::Value;

use crate::harness::Shop;

#[tokio::test]
async fn every_route_is_described() {
    let shop = Shop::open().await;
    let answer = shop.gateway.get("/openapi.json").await;
    let api = answer.json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
    let described: Vec<String> = api["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    let mut expected = [
        "post /orders",
        "get /orders",
        "get /orders/events",
        "get /orders/{id}",
        "get /orders/{id}/events",
        "get /products",
        "get /products/{sku}",
        "put /products/{sku}",
        "get /users/{id}",
        "post /login",
        "post /logout",
        "get /me",
        "put /me/password",
        "get /me/sessions",
        "delete /me/sessions",
        "delete /me/sessions/{id}",
        "post /accounts",
        "get /leaderboards/{board}",
        "get /leaderboards/{board}/{member}",
        "get /operator/groups",
        "get /operator/dead-letters",
        "get /operator/dead-letters/{group}/{partition}/{id}",
        "get /operator/actions",
        "post /operator/actions",
        "get /operator/actions/{id}",
        "get /operator/parked-payments",
        "post /operator/parked-payments/{payment_id}/resolution",
    ];
    expected.sort_by_key(|route| {
        route.split_once(' ').map(|(method, path)| (path.to_owned(), method.to_owned()))
    });
    let mut described = described;
    described.sort_by_key(|route| {
        route.split_once(' ').map(|(method, path)| (path.to_owned(), method.to_owned()))
    });
    assert_eq!(described, expected);
    let operations =
        api["paths"].as_object().unwrap().values().flat_map(|methods| methods.as_object().unwrap().values());
    let operations: Vec<&Value> = operations.collect();
    for operation in &operations {
        assert!(operation["responses"]["429"]["headers"]["Retry-After"].is_object(), "{operation}");
    }
    let mut names: Vec<&str> =
        operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "two operations of one name: {names:?}");
    let order = &api["components"]["schemas"]["Order"]["properties"];
    assert!(order["status"].is_object() && order["total"] != Value::Null, "{order}");
}

#[tokio::test]
async fn the_pages_load_nothing_from_elsewhere() {
    let shop = Shop::open().await;
    let page = shop.gateway.get("/docs/").await;
    assert_eq!(page.status, 200, "{}", page.text());
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    let text = page.text();
    assert!(text.contains("<html"), "{text}");
    for address in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!text.contains(address), "{text}");
    }
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert_eq!(shop.gateway.get(&format!("/docs/{file}")).await.status, 200, "{file}");
    }
    let initializer = shop.gateway.get("/docs/swagger-initializer.js").await.text();
    assert!(initializer.contains("/openapi.json"), "{initializer}");
    assert_eq!(shop.gateway.get("/docs").await.status, 200);
}

#[tokio::test]
async fn every_answer_tells_browsers_what_they_may_not_do_with_it() {
    let shop = Shop::open().await;
    for path in ["/products", "/nowhere", "/me", "/openapi.json"] {
        let answer = shop.gateway.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(
            answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(answer.header("cache-control").is_some(), "{path}");
    }
}
