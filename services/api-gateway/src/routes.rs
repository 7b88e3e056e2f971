//! Every route of the public API, and what holds for all of them.

use axum::Router;

use crate::{
    accounts,
    app::App,
    boards, catalogue, docs,
    edge::{ProxyArgs, edge},
    operator, orders, page, users,
};

/// The public API.
pub(crate) fn all(app: &App, proxies: ProxyArgs) -> Router {
    let (routes, api) = docs::describe()
        .merge(orders::routes())
        .merge(catalogue::routes())
        .merge(boards::routes())
        .merge(users::routes())
        .merge(accounts::routes())
        .merge(operator::routes())
        .split_for_parts();
    let routes = routes.merge(page::routes()).with_state(app.clone()).merge(docs::routes(api));
    edge(routes, |routes| app.limits.around(routes), proxies)
}
