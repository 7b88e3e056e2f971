use common::{control::Paused, names::groups, service::InstallationArgs};
use redis_kit::{Error, stream::inspect::inspect};

use super::row::Row;
use crate::{installation::Installation, report, steadily::steadily};

/// What `orderly groups list` is told.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &ListArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    let rows = rows(&installation).await?;
    if !args.json {
        report::print(&Row::head())?;
    }
    for row in &rows {
        report::print(&if args.json { serde_json::to_string(row)? } else { row.text() })?;
    }
    Ok(())
}

/// Our groups, and behind them whatever other groups read the same streams.
pub(crate) async fn rows(installation: &Installation) -> anyhow::Result<Vec<Row>> {
    let Installation { names, partitions, redis, .. } = installation;
    let mut rows = Vec::new();
    for (known, streams) in [
        (groups::OF_ORDERS.as_slice(), names.orders_streams(*partitions)),
        (groups::OF_PAYMENTS.as_slice(), names.payments_streams(*partitions)),
    ] {
        // All are spelled as the first, but for the partition.
        let stream = streams[0].trim_end_matches(":{0}");
        let mut of_stream: Vec<Row> =
            known.iter().map(|group| Row::new(group, stream, groups::owner(group))).collect();
        for partition in &streams {
            let look = || async { inspect(&mut redis.clone(), partition).await };
            for report in steadily(Error::is_transient, look).await?.groups {
                if of_stream.iter().all(|row| row.group != report.name) {
                    of_stream.push(Row::new(&report.name, stream, None));
                }
                of_stream.iter_mut().filter(|row| row.group == report.name).for_each(|row| row.add(&report));
            }
        }
        rows.extend(of_stream.into_iter().map(|row| row.finish(streams.len())));
    }
    for row in rows.iter_mut().filter(|row| row.service.is_some()) {
        let key = names.pause(&row.group);
        let look = || async { Paused::read(&mut redis.clone(), &key).await };
        row.paused = steadily(Error::is_transient, look).await?.map(Into::into);
    }
    Ok(rows)
}
