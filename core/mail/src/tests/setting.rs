//! Settings: invalid ones are refused, and no secret is shown.

use crate::{Settings, Smtp, settings::SecretPlace};

const GOOD: &str = "from = \"Reports <reports@example.org>\"\n\
    [server]\nhost = \"smtp.example.org\"\n\
    [auth]\nkind = \"password\"\nuser = \"reports\"\npassword = { env = \"PASSWORD\" }\n";

#[test]
fn tls_and_a_login_are_the_default() {
    let settings = Settings::parse(GOOD).unwrap();
    assert_eq!(settings.server.tls, crate::settings::Tls::Required);
    assert_eq!(settings.server.port(), 465);
    assert_eq!(settings.attach_max_bytes(), 10 << 20);
}

#[test]
fn what_is_wrong_is_named() {
    let local = "from = \"a@b.c\"\n[server]\nhost = \"localhost\"\ntls = \"loopback-plaintext\"\n";
    assert!(Settings::parse(local).is_ok());
    let token = "kind = \"xoauth2\"\nclient_id = \"i\"\nclient_secret = { file = \"f\" }\n\
                 token_url = \"http://login.example.org/token\"\n";
    for (text, want) in [
        (GOOD.replace("Reports <", "<<"), "no mail address"),
        (GOOD.replace("from", "form"), "line 1: unknown field `form`"),
        (
            GOOD.replace("smtp.example.org", "smtp example"),
            "server.host",
        ),
        (
            GOOD.replace("[auth]", "tls = \"none\"\n[auth]"),
            "line 4: unknown variant",
        ),
        (
            GOOD.replace("[auth]", "tls = \"loopback-plaintext\"\n[auth]"),
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
            GOOD.split("[auth]").next().unwrap().to_string(),
            "auth is missing",
        ),
        (
            GOOD.replace("user = \"reports\"", "user = \"\""),
            "auth.user",
        ),
        (
            GOOD.replace("{ env = \"PASSWORD\" }", "\"hunter2\""),
            "given by its place",
        ),
        (
            GOOD.replace("kind = \"password\"\n", token)
                .replace("password = { env = \"PASSWORD\" }\n", ""),
            "use https",
        ),
        (format!("list_id = \"a b\"\n{GOOD}"), "list_id"),
        (format!("link = \"ftp://x/\"\n{GOOD}"), "link"),
        (format!("link = \"https://u:hunter2@x/\"\n{GOOD}"), "link"),
    ] {
        let error = Settings::parse(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("mail settings: ") && error.contains(want),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn secrets_are_read_when_needed_and_never_shown() {
    let settings = Settings::parse(GOOD).unwrap();
    let environment = |name: &str| (name == "PASSWORD").then(|| "hunter2\n".to_string());
    let smtp = Smtp::new(&settings, &environment).unwrap();
    assert!(!format!("{smtp:?} {settings:?}").contains("hunter2"));
    let error = Smtp::new(&settings, &|_| None).unwrap_err().to_string();
    assert!(error.contains("PASSWORD is not set"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\nmore").unwrap();
    let text = GOOD.replace("env = \"PASSWORD\"", "file = \"secret\"");
    let settings = Settings::parse(&text).unwrap().below(folder.path());
    assert!(Smtp::new(&settings, &|_| None).is_ok());
    let secret = SecretPlace::File(path.clone()).read(&|_| None).unwrap();
    assert_eq!(secret.reveal(), "hunter2");
    assert!(!format!("{secret:?}").contains("hunter2"));
    std::fs::write(&path, "\n").unwrap();
    assert!(SecretPlace::File(path.clone()).read(&|_| None).is_err());
    std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
    assert!(SecretPlace::File(path).read(&|_| None).is_err());
}
