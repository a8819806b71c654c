//! A small web server in front of `git http-backend`, which can simulate failures.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The server serves the request.
pub const NORMAL: usize = 0;
/// The server requires authentication.
pub const UNAUTHORIZED: usize = 1;
/// The server closes the connection in the middle of a pack.
pub const TRUNCATE: usize = 2;
/// The server replies that the repository does not exist.
pub const NOT_FOUND: usize = 3;
/// The server replies that it is temporarily unavailable.
pub const UNAVAILABLE: usize = 4;
/// The server sends a pack with a wrong byte.
pub const CORRUPT: usize = 5;
/// The server requires the user ann with the password s3cret, and redirects requests below
/// `elsewhere` and `file`.
pub const REQUIRE_PASSWORD: usize = 6;
/// The server never answers.
pub const STALL: usize = 7;

/// A server of the repositories in a folder.
pub struct WebServer {
    pub address: String,
    behaviour: Arc<AtomicUsize>,
    /// Number of bytes of packs that were sent.
    sent: Arc<AtomicUsize>,
}

impl WebServer {
    /// Starts a server; `None` if git cannot serve.
    pub fn start(root: &Path) -> Option<Self> {
        let backend = Command::new("git").arg("--exec-path").output().ok()?;
        let folder = PathBuf::from(String::from_utf8(backend.stdout).ok()?.trim());
        let backend = folder.join("git-http-backend");
        if !backend.exists() {
            eprintln!(
                "SKIPPED: there is no {}, so nothing is fetched from a server",
                backend.display()
            );
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = Self {
            address: listener.local_addr().unwrap().to_string(),
            behaviour: Arc::new(AtomicUsize::new(NORMAL)),
            sent: Arc::new(AtomicUsize::new(0)),
        };
        let (behaviour, sent, root) = (
            Arc::clone(&web.behaviour),
            Arc::clone(&web.sent),
            root.to_path_buf(),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let behaviour = behaviour.load(Ordering::SeqCst);
                // Clients may close the connection early.
                let _ = serve(stream, &backend, &root, behaviour, &sent);
            }
        });
        Some(web)
    }

    pub fn set_behaviour(&self, behaviour: usize) {
        self.behaviour.store(behaviour, Ordering::SeqCst);
    }

    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    content_type: String,
    protocol: String,
    authorization: String,
    body: Vec<u8>,
}

fn serve(
    mut stream: TcpStream,
    backend: &Path,
    root: &Path,
    behaviour: usize,
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    let request = read(&stream)?;
    let port = stream.local_addr()?.port();
    let redirect = |address: String| format!("302 Found\r\nLocation: {address}?{}", request.query);
    let redirection = match request.path.strip_prefix("/elsewhere") {
        Some(path) => redirect(format!("http://localhost:{port}{path}")),
        None => redirect(format!("file://{}", root.display())),
    };
    let short_response = match behaviour {
        REQUIRE_PASSWORD
            if request.path.starts_with("/elsewhere/") || request.path.starts_with("/file/") =>
        {
            &redirection
        }
        // ann:s3cret
        REQUIRE_PASSWORD if request.authorization == "Basic YW5uOnMzY3JldA==" => "",
        STALL => {
            sent.fetch_add(1, Ordering::SeqCst);
            // Waits until git closes the connection.
            return stream.read(&mut [0]).map(drop);
        }
        UNAUTHORIZED | REQUIRE_PASSWORD => {
            "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\""
        }
        NOT_FOUND => "404 Not Found",
        UNAVAILABLE => "503 Service Unavailable",
        _ => "",
    };
    if !short_response.is_empty() {
        return write!(
            stream,
            "HTTP/1.1 {short_response}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let output = run(backend, root, &request)?;
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let (head, body) = (&output[..end], &output[end + 4..]);
    let head = String::from_utf8_lossy(head);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
    let is_pack = body.windows(5).any(|window| window == b"\x01PACK");
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {}\r\n{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        status.unwrap_or("200 OK")
    )?;
    let mut body = body.to_vec();
    if is_pack {
        sent.fetch_add(length, Ordering::SeqCst);
        match behaviour {
            TRUNCATE => body.truncate(length * 2 / 3),
            CORRUPT => body[length * 2 / 3] ^= 0x55,
            _ => {}
        }
    }
    stream.write_all(&body)?;
    stream.flush()
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or("").to_string();
    let target = words.next().unwrap_or("").to_string();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request {
        method,
        path: path.to_string(),
        query: query.to_string(),
        content_type: String::new(),
        protocol: String::new(),
        authorization: String::new(),
        body: Vec::new(),
    };
    let (mut length, mut chunked) = (0, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => request.content_type = value.to_string(),
            "authorization" => request.authorization = value.to_string(),
            "git-protocol" => request.protocol = value.to_string(),
            "content-length" => length = value.parse().unwrap_or(0),
            "transfer-encoding" => chunked = true,
            _ => {}
        }
    }
    loop {
        if chunked {
            line.clear();
            reader.read_line(&mut line)?;
            length = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        }
        let start = request.body.len();
        request.body.resize(start + length, 0);
        reader.read_exact(&mut request.body[start..])?;
        if !chunked || length == 0 {
            return Ok(request);
        }
        reader.read_line(&mut line)?;
    }
}

fn run(backend: &Path, root: &Path, request: &Request) -> std::io::Result<Vec<u8>> {
    let mut child = Command::new(backend)
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROTOCOL", &request.protocol)
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", &request.content_type)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&request.body)?;
    }
    Ok(child.wait_with_output()?.stdout)
}
