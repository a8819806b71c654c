use retrocast_store::*;
fn main() {
    let dir = std::path::PathBuf::from("/tmp/store_measure");
    let threads: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let keyed = std::env::args().nth(2).unwrap() == "keyed";
    let text = format!("title=\"T\"\n{}time=\"created_at\"\n[field.id]\ntype=\"string\"\nrequired=true\n[field.created_at]\ntype=\"timestamp\"\n[field.component]\ntype=\"string\"\n[field.severity]\ntype=\"string\"\nallowed=[\"low\",\"high\"]\n[field.minutes]\ntype=\"number\"\nmin=0\n[field.n]\ntype=\"integer\"\n[field.body]\ntype=\"string\"\nmax_length=1000\n[field.updates]\ntype=\"list<struct>\"\n[field.updates.field.at]\ntype=\"timestamp\"\n[field.updates.field.message]\ntype=\"string\"\n", if keyed {"key=[\"id\"]\n"} else {""});
    let spec = SourceSpec { name: "tickets".into(), uri: "*.jsonl".into(), contract: contract::parse("t","t.toml",&text).unwrap(), format: None, required: true };
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    let lake = Lake::new(&dir.join("lake"), "job").unwrap();
    let start = std::time::Instant::now();
    let id = rt.block_on(source_identity(&spec, &dir, threads)).unwrap();
    println!("identity {id} {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let found = rt.block_on(ingest(&spec, &dir, &lake, &Default::default(), &Control { threads, ..Default::default() })).unwrap();
    println!("ingest {:?} accepted {} dup {} q {:?}", start.elapsed(), found.note.accepted, found.note.duplicates, found.note.quarantined);
    let start = std::time::Instant::now();
    let sql = Sql { memory_bytes: 256<<20, spill: dir.join("spill"), timezone: "Europe/London".into() };
    let t = SqlTable { name: "tickets".into(), dataset: found.dataset.clone(), before: None };
    let d = rt.block_on(sql.query_to_dataset(&lake, "select date_trunc('day', created_at) as day, component, count(*) as n, avg(minutes) as mean from tickets group by 1,2", &[t], "daily", &Default::default())).unwrap();
    println!("sql {:?} rows {}", start.elapsed(), d.rows);
    let start = std::time::Instant::now();
    let f = rt.block_on(lake.read_frame(&found.dataset, &Scan { columns: Some(vec!["created_at".into(),"component".into(),"minutes".into()]), before: None })).unwrap();
    println!("frame {:?} {}", start.elapsed(), f.height());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
