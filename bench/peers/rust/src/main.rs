//! The peer in Rust: tokio with its default threads, hyper, and rusqlite behind spawn_blocking.
//!
//!     offloop-bench-peer PORT FILE URL
//!
//! Readers take a connection from a small stack and put it back; writers share one behind a mutex, on a blocking thread.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::client::HttpConnector;
use hyper::service::{make_service_fn, service_fn};
use hyper::{body, header, Body, Client, Method, Request, Response, Server, StatusCode, Uri};
use rusqlite::{params, Connection, OptionalExtension};
use serde_json::{json, Value};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Result<Response<Body>, Failure>;

struct Store {
    path: String,
    idle: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl Store {
    fn connect(path: &str) -> rusqlite::Result<Connection> {
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(30))?;
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        db.execute_batch("PRAGMA synchronous = FULL")?;
        Ok(db)
    }

    fn open(path: &str) -> rusqlite::Result<Store> {
        Ok(Store {
            path: path.to_string(),
            idle: Mutex::new(Vec::new()),
            writer: Mutex::new(Store::connect(path)?),
        })
    }

    fn get(&self, id: i64) -> Result<Option<Value>, Failure> {
        let idle = self.idle.lock().unwrap().pop();
        let db = match idle {
            Some(db) => db,
            None => Store::connect(&self.path)?,
        };
        let item = db
            .prepare_cached("SELECT id, name, price FROM items WHERE id = ?1")?
            .query_row(params![id], |row| {
                Ok(json!({"id": row.get::<_, i64>(0)?, "name": row.get::<_, String>(1)?, "price": row.get::<_, f64>(2)?}))
            })
            .optional()?;
        self.idle.lock().unwrap().push(db);
        Ok(item)
    }

    fn create(&self, name: &str, price: f64) -> Result<i64, Failure> {
        let db = self.writer.lock().unwrap();
        db.prepare_cached("INSERT INTO items (name, price) VALUES (?1, ?2)")?
            .execute(params![name, price])?;
        Ok(db.last_insert_rowid())
    }
}

struct Peer {
    store: Store,
    client: Client<HttpConnector>,
    external: Uri,
}

fn reply(status: StatusCode, value: Value) -> Answer {
    Ok(Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(value.to_string()))?)
}

async fn fetch(peer: Arc<Peer>) -> Answer {
    let answer = peer.client.get(peer.external.clone()).await?;
    let quote: Value = serde_json::from_slice(&body::to_bytes(answer.into_body()).await?)?;
    reply(StatusCode::OK, json!({ "external_api": quote }))
}

async fn get_item(peer: Arc<Peer>, id: &str) -> Answer {
    let id: i64 = match id.parse() {
        Ok(id) if id > 0 => id,
        _ => return reply(StatusCode::BAD_REQUEST, json!({"error": "an item's id is a whole number from 1"})),
    };
    match tokio::task::spawn_blocking(move || peer.store.get(id)).await?? {
        Some(item) => reply(StatusCode::OK, item),
        None => reply(StatusCode::NOT_FOUND, json!({"error": "there is no such item"})),
    }
}

async fn create_item(peer: Arc<Peer>, request: Request<Body>) -> Answer {
    let item: Value = serde_json::from_slice(&body::to_bytes(request.into_body()).await?).unwrap_or(Value::Null);
    let (name, price) = match (item["name"].as_str(), item["price"].as_f64()) {
        (Some(name), Some(price)) => (name.to_string(), price),
        _ => return reply(StatusCode::BAD_REQUEST, json!({"error": "the body must be {\"name\": text, \"price\": number}"})),
    };
    let id = tokio::task::spawn_blocking(move || peer.store.create(&name, price)).await??;
    reply(StatusCode::CREATED, json!({ "id": id }))
}

async fn route(peer: Arc<Peer>, request: Request<Body>) -> Answer {
    let path = request.uri().path().to_string();
    match (request.method(), path.as_str()) {
        (_, "/hello") => Ok(Response::builder()
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Body::from("hello\n"))?),
        (_, "/fetch") => fetch(peer).await,
        (&Method::POST, "/items") => create_item(peer, request).await,
        (_, path) => match path.strip_prefix("/items/") {
            Some(id) => get_item(peer, id).await,
            None => reply(StatusCode::NOT_FOUND, json!({"error": "not found"})),
        },
    }
}

async fn answer(peer: Arc<Peer>, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(route(peer, request).await.unwrap_or_else(|failure| {
        let mut response = Response::new(Body::from(failure.to_string()));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    }))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, path, external] = <[String; 4]>::try_from(arguments).map_err(|_| "usage: offloop-bench-peer PORT FILE URL")?;
    let peer = Arc::new(Peer {
        store: Store::open(&path)?,
        client: Client::new(),
        external: external.parse()?,
    });
    let service = make_service_fn(move |_| {
        let peer = peer.clone();
        async move { Ok::<_, Infallible>(service_fn(move |request| answer(peer.clone(), request))) }
    });
    Server::bind(&SocketAddr::from(([127, 0, 0, 1], port.parse()?)))
        .tcp_nodelay(true)
        .serve(service)
        .await?;
    Ok(())
}
