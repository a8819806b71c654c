//! A mail server and an HTTP server in threads, which act as a test specifies.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// A step of an SMTP session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Connect,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    End,
}

/// The server's action at a step.
#[derive(Debug, Clone)]
pub enum Action {
    /// Replies with success.
    Accept,
    /// Replies with this line.
    Reply(String),
    /// Closes the connection.
    Close,
    /// At the end: stores the message and closes the connection without a reply.
    StoreAndClose,
    /// Does not reply until the client closes the connection.
    Hang,
}

/// A message that the server stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub to: String,
    pub data: Vec<u8>,
    /// True if the server sent a reply.
    pub replied: bool,
}

/// Encryption of the server's connections.
#[derive(Clone)]
pub enum Encryption {
    Plain,
    Starttls(Arc<ServerConfig>),
    Implicit(Arc<ServerConfig>),
}

type Decide = Box<dyn FnMut(Step, &str) -> Action + Send>;

struct ServerState {
    received: Mutex<Vec<Received>>,
    lines: Mutex<Vec<String>>,
    is_stopped: AtomicBool,
}

pub struct Server {
    pub port: u16,
    state: Arc<ServerState>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with these AUTH mechanisms, such as "PLAIN LOGIN"; empty for none.
    pub fn start(encryption: Encryption, auth: &'static str, decide: Decide) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(ServerState {
            received: Mutex::default(),
            lines: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        });
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            let mut decide = decide;
            for stream in listener.incoming() {
                if shared.is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                // Some tests close connections early.
                let _ = serve(stream.unwrap(), &encryption, auth, &mut decide, &shared);
            }
        });
        Self {
            port,
            state,
            thread: Some(thread),
        }
    }

    pub fn plain(decide: impl FnMut(Step, &str) -> Action + Send + 'static) -> Self {
        Self::start(Encryption::Plain, "", Box::new(decide))
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// The commands of all sessions, in order.
    pub fn lines(&self) -> Vec<String> {
        self.state.lines.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.is_stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().unwrap().join();
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn secure(config: &Arc<ServerConfig>, tcp: &TcpStream) -> std::io::Result<Box<dyn Stream>> {
    let connection = ServerConnection::new(config.clone()).unwrap();
    Ok(Box::new(StreamOwned::new(connection, tcp.try_clone()?)))
}

fn serve(
    tcp: TcpStream,
    encryption: &Encryption,
    auth: &str,
    decide: &mut Decide,
    state: &ServerState,
) -> std::io::Result<()> {
    let stream: Box<dyn Stream> = match encryption {
        Encryption::Implicit(config) => secure(config, &tcp)?,
        _ => Box::new(tcp.try_clone()?),
    };
    let mut stream = BufReader::new(stream);
    let mut is_secure = matches!(encryption, Encryption::Implicit(_));
    let mut to = String::new();
    let mut pending = Some((Step::Connect, String::new(), "220 test ESMTP".to_string()));
    loop {
        if let Some((step, line, reply)) = pending.take() {
            match decide(step, &line) {
                Action::Accept => write_reply(&mut stream, &format!("{reply}\r\n"))?,
                Action::Reply(reply) => write_reply(&mut stream, &format!("{reply}\r\n"))?,
                Action::Close | Action::StoreAndClose => return Ok(()),
                Action::Hang => {
                    let _ = stream.read_to_end(&mut Vec::new());
                    return Ok(());
                }
            }
        }
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_string();
        state.lines.lock().unwrap().push(line.clone());
        let word = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        match word.as_str() {
            "EHLO" => {
                let mut text = String::from("250-test\r\n");
                if matches!(encryption, Encryption::Starttls(_)) && !is_secure {
                    text.push_str("250-STARTTLS\r\n");
                }
                if !auth.is_empty() {
                    text.push_str(&format!("250-AUTH {auth}\r\n"));
                }
                write_reply(&mut stream, &format!("{text}250 8BITMIME\r\n"))?;
            }
            "STARTTLS" => {
                write_reply(&mut stream, "220 go\r\n")?;
                if let Encryption::Starttls(config) = encryption {
                    stream = BufReader::new(secure(config, &tcp)?);
                    is_secure = true;
                }
            }
            "AUTH" => pending = Some((Step::Auth, line, "235 in".to_string())),
            "MAIL" => pending = Some((Step::Mail, line, "250 ok".to_string())),
            "RCPT" => {
                to = line
                    .split(['<', '>'])
                    .nth(1)
                    .unwrap_or_default()
                    .to_string();
                pending = Some((Step::Rcpt, line, "250 ok".to_string()));
            }
            "DATA" => match decide(Step::Data, &to) {
                Action::Accept => {
                    write_reply(&mut stream, "354 go\r\n")?;
                    let data = read_data(&mut stream)?;
                    let action = decide(Step::End, &to);
                    let store = |replied| {
                        let (to, data) = (to.clone(), data.clone());
                        let received = Received { to, data, replied };
                        state.received.lock().unwrap().push(received);
                    };
                    match action {
                        Action::Accept => {
                            store(true);
                            write_reply(&mut stream, "250 queued as 1\r\n")?;
                        }
                        Action::Reply(reply) => write_reply(&mut stream, &format!("{reply}\r\n"))?,
                        Action::StoreAndClose => {
                            store(false);
                            return Ok(());
                        }
                        Action::Close => return Ok(()),
                        Action::Hang => {
                            store(false);
                            let _ = stream.read_to_end(&mut Vec::new());
                            return Ok(());
                        }
                    }
                }
                Action::Reply(reply) => {
                    write_reply(&mut stream, &format!("{reply}\r\n"))?;
                }
                Action::Hang => {
                    let _ = stream.read_to_end(&mut Vec::new());
                    return Ok(());
                }
                Action::Close | Action::StoreAndClose => return Ok(()),
            },
            "QUIT" => {
                return write_reply(&mut stream, "221 bye\r\n");
            }
            _ => {
                write_reply(&mut stream, "250 ok\r\n")?;
            }
        }
    }
}

/// Writes a reply at once, because small packets would be delayed.
fn write_reply(stream: &mut BufReader<Box<dyn Stream>>, text: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(text.as_bytes())?;
    stream.get_mut().flush()
}

/// Reads a message up to the final dot, and removes the doubled dots.
fn read_data(stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

/// Creates a certificate authority: returns its PEM text, and the TLS configuration of a server
/// with this name.
pub fn authority(name: &str) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec![name.to_string()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![server.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    (issuer.pem(), Arc::new(config))
}

/// A request of an [`HttpServer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Request line and headers, with names in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header; empty for none.
    pub fn header(&self, name: &str) -> String {
        let prefix = format!("{name}: ");
        let line = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_default().to_string()
    }
}

/// The action of an [`HttpServer`] after a request.
#[derive(Debug, Clone)]
pub enum Response {
    /// Replies with this status, further header lines and body.
    Reply(u16, &'static str, String),
    /// Closes the connection.
    Close,
    /// Does not reply until the client closes the connection.
    Hang,
}

impl From<(u16, String)> for Response {
    fn from((status, body): (u16, String)) -> Self {
        Self::Reply(status, "", body)
    }
}

/// A server that records its requests. A function of the request's number, from 1, returns the
/// response.
pub struct HttpServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    pub fn start<R: Into<Response>>(respond: impl FnMut(usize) -> R + Send + 'static) -> Self {
        Self::start_with(None, respond)
    }

    pub fn start_with<R: Into<Response>>(
        tls: Option<Arc<ServerConfig>>,
        mut respond: impl FnMut(usize) -> R + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (requests.clone(), is_stopped.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let tcp = stream.unwrap();
                let stream: Box<dyn Stream> = match &tls {
                    Some(config) => secure(config, &tcp).unwrap(),
                    None => Box::new(tcp),
                };
                let mut stream = BufReader::new(stream);
                // Without a valid certificate there is no request.
                let Ok(request) = read_request(&mut stream) else {
                    continue;
                };
                let n = {
                    let mut requests = shared.lock().unwrap();
                    requests.push(request);
                    requests.len()
                };
                match respond(n).into() {
                    Response::Reply(status, headers, text) => {
                        let reply = format!(
                            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{headers}\
                             Location: http://127.0.0.1:1/\r\nConnection: close\r\n\
                             Content-Length: {}\r\n\r\n{text}",
                            text.len()
                        );
                        // Some tests do not wait for the reply.
                        let _ = write_reply(&mut stream, &reply);
                    }
                    Response::Close => {}
                    Response::Hang => {
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                }
            }
        });
        Self {
            port,
            requests,
            is_stopped,
            thread: Some(thread),
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<Request> {
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        // Signatures are base64, so only names are changed.
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&format!(
            "{}: {}\n",
            name.trim().to_lowercase(),
            value.trim()
        ));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Request { head, body })
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().unwrap().join();
    }
}
