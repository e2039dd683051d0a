//! Serving the vault on a loopback port until it is told to stop.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use dynoxide::Database;
use http::HeaderValue;
use mayfly::{
    app::App,
    http::{
        edge::{Arrival, Edge},
        path::RawPath,
    },
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{embedded, stream::Stream};

/// How long running requests may take once the vault was told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How often what is due is looked for, and how long that may take.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const WORK_AT_MOST: Duration = Duration::from_mins(1);
/// How often strays are looked for.
const RECONCILE_EVERY: Duration = Duration::from_hours(24);
/// How often the table is looked through for what can be forgotten. Whoever reads checks the time.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Says on every answer that its credentials are the sandbox's.
const SANDBOX_HEADER: &str = "x-mayfly-sandbox";

#[derive(Clone)]
struct Served {
    edge: Edge,
    origin: String,
    sandbox: bool,
}

/// Takes a port on this machine alone. Port 0 is a free one.
pub async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!("cannot listen on 127.0.0.1:{port}; is a vault running there? choose another with --port")
    })
}

/// Where a listener answers.
pub fn url(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

/// Serves the vault until `stop` completes; requests that are running then are answered first.
pub async fn serve(
    listener: TcpListener,
    edge: Edge,
    sandbox: bool,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let served = Served {
        edge,
        origin: url(&listener)?,
        sandbox,
    };
    let router = Router::new().fallback(answer).with_state(served);
    serve_router(listener, router, stop).await
}

/// Serves any router until `stop` completes.
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        // Nobody listens if serving has ended first; then there is nothing to cut short.
        _ = stopping.send(());
    });
    let too_long = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(LAST_REQUESTS).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = serving => served.context("the server failed"),
        () = too_long => Ok(()),
    }
}

async fn answer(
    State(served): State<Served>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let arrival = Arrival {
        request_id: Uuid::new_v4().to_string(),
        source: peer.ip().to_string(),
        origin: Some(served.origin.clone()),
        path: RawPath::Encoded(request.uri().path().to_owned()),
    };
    let mut response = served.edge.handle(request.map(Body::new), arrival).await;
    if served.sandbox {
        response
            .headers_mut()
            .insert(SANDBOX_HEADER, HeaderValue::from_static("true"));
    }
    response
}

/// Does the lease worker's work, for ever: what the table's stream tells of, and every minute what is due.
pub async fn keep_house(app: &Arc<App>, embedded: Option<(Database, Stream)>) {
    let (database, stream) = embedded.unzip();
    tokio::join!(
        wake(app, stream),
        sweep(app),
        reconcile(app),
        forget(database)
    );
}

async fn wake(app: &Arc<App>, stream: Option<Stream>) {
    // A table elsewhere has no stream here; what is due there waits for the minute.
    let Some(mut stream) = stream else { return };
    while let Some(event) = stream.next().await {
        work(app, event).await;
    }
}

async fn sweep(app: &Arc<App>) {
    loop {
        work(app, json!({"mayfly": "sweep"})).await;
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

async fn reconcile(app: &Arc<App>) {
    loop {
        tokio::time::sleep(RECONCILE_EVERY).await;
        work(app, json!({"mayfly": "reconcile"})).await;
    }
}

async fn work(app: &Arc<App>, event: Value) {
    let until = app.clock.now() + WORK_AT_MOST;
    let work = mayfly_lease_worker::handle(app.clone(), event, until);
    if let Err(error) = app.sealer.keys().beside(work).await {
        tracing::warn!(error = mayfly::error::chain(&error), "housekeeping failed");
    }
}

/// What a deployed table's time-to-live would remove.
async fn forget(database: Option<Database>) {
    let Some(database) = database else { return };
    loop {
        let database = database.clone();
        match tokio::task::spawn_blocking(move || embedded::forget(&database)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(forgotten)) => tracing::info!(forgotten, "expired items removed"),
            Ok(Err(error)) => tracing::warn!(%error, "expired items not removed"),
            Err(error) => tracing::warn!(%error, "expired items not removed"),
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

/// Completes at the first SIGINT or SIGTERM.
pub async fn told_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
