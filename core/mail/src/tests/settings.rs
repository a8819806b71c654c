//! Tests that invalid settings are refused and no secret is shown.

use crate::{Settings, Smtp, settings::SecretLocation};

const VALID: &str = "from = \"Reports <reports@example.org>\"\n\
    [server]\nhost = \"smtp.example.org\"\n\
    [auth]\nkind = \"password\"\nuser = \"reports\"\npassword = { env = \"PASSWORD\" }\n";

#[test]
fn default_is_tls_on_port_465() {
    let settings = Settings::parse(VALID).unwrap();
    assert_eq!(settings.server.tls, crate::settings::Tls::Required);
    assert_eq!(settings.server.port(), 465);
    assert_eq!(settings.attach_max_bytes(), 10 << 20);
}

#[test]
fn invalid_settings_are_reported_with_their_key() {
    let local = "from = \"a@b.c\"\n[server]\nhost = \"localhost\"\ntls = \"loopback-plaintext\"\n";
    assert!(Settings::parse(local).is_ok());
    let token = "kind = \"xoauth2\"\nclient_id = \"i\"\nclient_secret = { file = \"f\" }\n\
                 token_url = \"http://login.example.org/token\"\n";
    for (text, expected) in [
        (VALID.replace("Reports <", "<<"), "is not a mail address"),
        (
            VALID.replace("from", "form"),
            "line 1: unknown field `form`",
        ),
        (
            VALID.replace("smtp.example.org", "smtp example"),
            "server.host",
        ),
        (
            VALID.replace("[auth]", "tls = \"none\"\n[auth]"),
            "line 4: unknown variant",
        ),
        (
            VALID.replace("[auth]", "tls = \"loopback-plaintext\"\n[auth]"),
            "only for this machine",
        ),
        (
            local.replace("localhost", "localhost.example.org"),
            "only for this machine",
        ),
        (
            local.replace("localhost", "127.0.0.1.example.org"),
            "only for this machine",
        ),
        (
            VALID.split("[auth]").next().unwrap().to_string(),
            "auth is missing",
        ),
        (
            VALID.replace("user = \"reports\"", "user = \"\""),
            "auth.user",
        ),
        (
            VALID.replace("{ env = \"PASSWORD\" }", "\"hunter2\""),
            "expected the location of a secret",
        ),
        (
            VALID
                .replace("kind = \"password\"\n", token)
                .replace("password = { env = \"PASSWORD\" }\n", ""),
            "use https",
        ),
        (format!("list_id = \"a b\"\n{VALID}"), "list_id"),
        (format!("link = \"ftp://x/\"\n{VALID}"), "link"),
        (format!("link = \"https://u:hunter2@x/\"\n{VALID}"), "link"),
    ] {
        let error = Settings::parse(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("mail settings: ") && error.contains(expected),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn secrets_are_read_when_needed_and_never_shown() {
    let settings = Settings::parse(VALID).unwrap();
    let environment = |name: &str| (name == "PASSWORD").then(|| "hunter2\n".to_string());
    let smtp = Smtp::new(&settings, &environment).unwrap();
    assert!(!format!("{smtp:?} {settings:?}").contains("hunter2"));
    let error = Smtp::new(&settings, &|_| None).unwrap_err().to_string();
    assert!(error.contains("PASSWORD is not set"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\nmore").unwrap();
    let text = VALID.replace("env = \"PASSWORD\"", "file = \"secret\"");
    let settings = Settings::parse(&text)
        .unwrap()
        .with_base_folder(folder.path());
    assert!(Smtp::new(&settings, &|_| None).is_ok());
    let secret = SecretLocation::File(path.clone()).read(&|_| None).unwrap();
    assert_eq!(secret.reveal(), "hunter2");
    assert!(!format!("{secret:?}").contains("hunter2"));
    std::fs::write(&path, "\n").unwrap();
    assert!(SecretLocation::File(path.clone()).read(&|_| None).is_err());
    std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
    assert!(SecretLocation::File(path).read(&|_| None).is_err());
}
