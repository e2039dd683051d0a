//! Serving the vault on a loopback port until it is told to stop.

use std::{future::Future, net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use http::HeaderValue;
use mayfly::{
    app::App,
    error::Error,
    http::{
        edge::{Arrival, Edge},
        path::RawPath,
    },
    secrets::purge,
};
use mayfly_token::rotate::rotate_when_due;
use tokio::net::TcpListener;
use uuid::Uuid;

/// How long running requests may take once the vault was told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How often what was deleted is purged, and how much at a time.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const SWEEP_AT_MOST: usize = 500;

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

/// Purges what is due and rotates the signing key when it is, every minute, for ever.
pub async fn sweep(app: &App) {
    loop {
        match purge::sweep(app, SWEEP_AT_MOST).await {
            Ok(0) => {}
            Ok(done) => tracing::info!(done, "purged"),
            Err(error) => tracing::warn!(error = mayfly::error::chain(&error), "not purged"),
        }
        match rotate_when_due(app).await {
            Ok(true) => tracing::info!("signing key rotated"),
            // A vault without an admin yet has no rules.
            Ok(false) | Err(Error::Unauthenticated) => {}
            Err(error) => {
                tracing::warn!(
                    error = mayfly::error::chain(&error),
                    "signing key not rotated"
                );
            }
        }
        tokio::time::sleep(SWEEP_EVERY).await;
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
