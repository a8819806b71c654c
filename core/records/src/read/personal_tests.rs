use super::*;
use crate::{
    contract,
    read::{
        ParsedBlock,
        block::{Block, Content},
        parse::parse,
        pseudonyms::Pseudonyms,
    },
};
use arrow::array::{Array, StringArray};
use std::sync::Arc;

const CONTRACT: &str = r#"
title = "T"
key = ["id"]
[field.id]
type = "string"
max_length = 8
[field.n]
type = "integer"
[field.email]
type = "string"
pattern = '[^@]+@[^@]+'
max_length = 30
personal = "hash"
[field.phone]
type = "integer"
personal = "drop"
[field.user]
type = "struct"
[field.user.field.name]
type = "string"
personal = "drop"
required = true
[field.user.field.plan]
type = "string"
allowed = ["free", "team"]
[field.ips]
type = "list<string>"
personal = "hash"
[field.notes]
type = "list<struct>"
personal = "drop"
[field.notes.field.text]
type = "string"
"#;

/// Values that no output may contain.
const SECRETS: [&str; 6] = [
    "ada@",
    "Lovelace",
    "555",
    "10.9.8.7",
    "whispered",
    "countess",
];

fn read(content: Content, text: &str) -> ParsedBlock {
    let contract = contract::parse("t", "t.toml", CONTRACT).unwrap();
    let block = Block {
        file: 0,
        first_line: 1,
        bytes: text.as_bytes().to_vec(),
        content,
    };
    let pseudonyms = Arc::new(Pseudonyms::new("people", Some(b"a long random text")));
    parse(block, &contract, &pseudonyms).unwrap()
}

/// All messages about a refused record.
fn refusals(parsed: &ParsedBlock) -> Vec<String> {
    let rows = parsed.refused.iter().map(|row| {
        let v = &row.violation;
        format!(
            "{} | {} | {} | {}",
            v.reason.text(),
            v.field,
            v.message,
            row.raw
        )
    });
    rows.collect()
}

fn assert_hidden(everything: &str) {
    for secret in SECRETS {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}

#[test]
fn values_become_hashes_and_nulls() {
    let valid = r#"{"id":"1","n":1,"email":"ada@b.org","phone":5551,"user":{"name":"Lovelace","plan":"team"},"ips":["10.9.8.7",null],"notes":[{"text":"whispered"}]}"#;
    let other = r#"{"id":"2","email":"ada@b.org","user":{"name":"Ada Lovelace"}}"#;
    let parsed = read(Content::Lines, &format!("{valid}\n{other}\n"));
    assert!(parsed.refused.is_empty(), "{:?}", refusals(&parsed));
    let batch = parsed.batch.unwrap();
    assert_hidden(&format!("{batch:?}"));
    let emails = batch.column_by_name("email").unwrap();
    let emails: &StringArray = emails.as_any().downcast_ref().unwrap();
    assert_eq!(emails.value(0), emails.value(1), "equal values stay equal");
    assert_eq!(emails.value(0), KEYED_ADA);
    let null = |name: &str| batch.column_by_name(name).unwrap().is_null(0);
    assert!(null("phone") && null("notes") && !null("user") && !null("ips"));
}

/// Computed with the Python binding of another implementation: a key derived for the context,
/// then a keyed hash.
const KEYED_ADA: &str = "75cfe1096b01be56c8a774e0f9bdefe4";

#[test]
fn refused_records_and_messages_hold_no_personal_data() {
    let check = |record: &str, expected: &str| {
        let parsed = read(Content::Lines, record);
        let messages = refusals(&parsed).join("\n");
        assert_hidden(&messages);
        assert_eq!(messages, expected, "{record}");
    };
    let not_shown = "it is personal data and not shown";
    check(
        r#"{"id":"1","n":"x","email":"ada@b.org","e-mail":"ada@b.org","user":{"name":"Lovelace","plan":"team","nick":"countess"}}"#,
        r#"wrong type | n | expected an integer, found string "x" | {"e-mail":"(not in the contract)","email":"(personal data)","id":"1","n":"x","user":{"name":"(personal data)","nick":"(not in the contract)","plan":"team"}}"#,
    );
    check(
        r#"{"id":"1","email":"ada@b@org"}"#,
        &format!(
            r#"not allowed | email | the value is not allowed; {not_shown} | {{"email":"(personal data)","id":"1"}}"#
        ),
    );
    check(
        r#"{"id":"1","user":"Lovelace","notes":"whispered"}"#,
        &format!(
            r#"wrong type | user | the value does not have the declared type; {not_shown} | {{"id":"1","notes":"(personal data)","user":"(personal data)"}}"#
        ),
    );
    check(
        r#"{"id":"1","ips":["10.9.8.7",["10.9.8.7"]]}"#,
        &format!(
            r#"wrong type | ips[1] | the value does not have the declared type; {not_shown} | {{"id":"1","ips":"(personal data)"}}"#
        ),
    );
    check(
        r#"{"id":"1","notes":[{"text":"whispered","text":"whispered"}]}"#,
        &format!(
            r#"broken JSON | notes[0].text | the value cannot be parsed; {not_shown} | {{"id":"1","notes":"(personal data)"}}"#
        ),
    );
    check(
        r#"{"id":"1","phone":"+1 555","user":{"plan":"gold"}}"#,
        &format!(
            r#"wrong type | phone | the value does not have the declared type; {not_shown} | {{"id":"1","phone":"(personal data)","user":{{"plan":"gold"}}}}"#
        ),
    );
    let note = "(omitted: the record cannot be parsed and may hold personal data: email, ips, \
                phone, user.name, notes)";
    check(
        r#""ada@b.org""#,
        &format!("broken JSON |  | the record is not a JSON object | {note}"),
    );
    check(
        r#"{"id":"1","email":"ada@b.org""#,
        &format!("broken JSON |  | EOF while parsing an object | {note}"),
    );
    check(
        r#"{"id":"1","user":{}}"#,
        r#"missing required | user.name | the field is missing | {"id":"1","user":{}}"#,
    );
}

#[test]
fn truncated_records_reveal_nothing() {
    let whole =
        r#"{"id":"1","n":"x","email":"ada@b.org","user":{"name":"Lovelace"},"ips":["10.9.8.7"]}"#;
    for end in 1..whole.len() {
        let parsed = read(Content::Lines, &whole[..end]);
        assert_eq!(parsed.refused.len(), 1);
        assert_hidden(&refusals(&parsed).join("\n"));
    }
}

#[test]
fn csv_records_are_reported_without_personal_cells() {
    let contract = contract::parse("t", "t.toml", CONTRACT).unwrap();
    let line = "id;email;nick;user;n";
    let marks = crate::Dialect::DEFAULT.marks(line);
    let header = Header::parse(line, marks, &contract.fields).unwrap();
    let content = || Content::Csv(Arc::new(header.clone()));
    let messages = |text: &str| {
        let messages = refusals(&read(content(), text)).join("\n");
        assert_hidden(&messages);
        messages
    };
    assert_eq!(
        messages(
            "1;ada@b.org;countess;\"{\"\"name\"\":\"\"Lovelace\"\",\"\"plan\"\":\"\"team\"\"}\";x\n"
        ),
        "wrong type | n | expected an integer, found text \"x\" | 1;(personal data);(not in the \
         contract);\"{\"\"name\"\":\"\"(personal data)\"\",\"\"plan\"\":\"\"team\"\"}\";x"
    );
    assert!(messages("1;ada@b.org;countess\n").contains("omitted"));
    assert!(messages("1;;;Lovelace;1\n").contains("1;;(not in the contract);(personal data);1"));
    let refused = Content::Refused(Violation::new(
        Reason::BrokenCsv,
        "a quoted cell is not closed",
    ));
    let messages = refusals(&read(refused, "1;ada@b.org;\"countess")).join("\n");
    assert!(messages.contains("omitted"), "{messages}");
}

#[test]
fn weak_hash_keys_cause_a_warning() {
    let contract = contract::parse("t", "t.toml", CONTRACT).unwrap();
    let message = warning(&contract, "people", None).unwrap();
    assert!(
        message
            .starts_with("Personal data in email and ips of source \"people\" are hashed without")
    );
    let short = warning(&contract, "people", Some(b"12345678")).unwrap();
    assert!(short.contains("a key of 8 bytes"), "{short}");
    assert_eq!(
        warning(&contract, "people", Some(b"0123456789abcdef")),
        None
    );
    let plain = "title = \"T\"\n[field.id]\ntype = \"string\"\n";
    let plain = contract::parse("t", "t.toml", plain).unwrap();
    assert_eq!(warning(&plain, "people", None), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hashes_depend_on_the_key_or_the_name_of_the_source() {
    use crate::{read, source::Listing};
    let folder = tempfile::tempdir().unwrap();
    let record = r#"{"id":"1","email":"ada@b.org"}"#;
    std::fs::write(folder.path().join("a.jsonl"), record).unwrap();
    let listing = Listing::find("people", "a.jsonl", folder.path(), true, None)
        .await
        .unwrap();
    let runtime = tokio::runtime::Handle::current();
    let email = |hash_key: Option<&'static [u8]>| {
        let (listing, runtime) = (listing.clone(), runtime.clone());
        let reading = move || {
            let files: Vec<_> = listing
                .files
                .iter()
                .map(|file| (file.clone(), crate::Format::Jsonl))
                .collect();
            let reader = read::FileReader {
                listing: &listing,
                files: &files,
                dialect: &read::Dialect::DEFAULT,
                contract: &contract::parse("t", "t.toml", CONTRACT).unwrap(),
                hash_key,
                threads: 1,
                cancel: &tokio_util::sync::CancellationToken::new(),
                runtime: &runtime,
            };
            let mut found = String::new();
            let read: Result<(), crate::SourceError> = reader.run(&mut |event| {
                if let read::ReadEvent::Records(parsed) = event {
                    let batch = parsed.batch.unwrap();
                    let emails = batch.column_by_name("email").unwrap();
                    let emails: &StringArray = emails.as_any().downcast_ref().unwrap();
                    found = emails.value(0).to_string();
                }
                Ok(())
            });
            read.unwrap();
            found
        };
        tokio::task::spawn_blocking(reading)
    };
    assert_eq!(email(Some(b"a long random text")).await.unwrap(), KEYED_ADA);
    let unkeyed = "72c7ed1cc644a0f8a6c308ee1aef75af";
    assert_eq!(email(None).await.unwrap(), unkeyed);
}
