//! A mail server and a token server in threads, which act as a test specifies.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Accepts.
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

/// Creates a certificate authority: returns its PEM text, and the TLS configuration of a server with
/// this name.
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

/// A token server. A function of the request's number, from 1, returns status and body of each
/// response.
pub struct TokenServer {
    pub port: u16,
    pub bodies: Arc<Mutex<Vec<String>>>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TokenServer {
    pub fn start(mut respond: impl FnMut(usize) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (shared_bodies, stopped) = (bodies.clone(), is_stopped.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = BufReader::new(stream.unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    let line = line.to_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let mut bodies = shared_bodies.lock().unwrap();
                bodies.push(String::from_utf8(body).unwrap());
                let (status, text) = respond(bodies.len());
                let _ = write!(
                    stream.get_mut(),
                    "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n\
                     Location: http://127.0.0.1:1/\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        Self {
            port,
            bodies,
            is_stopped,
            thread: Some(thread),
        }
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().unwrap().join();
    }
}
