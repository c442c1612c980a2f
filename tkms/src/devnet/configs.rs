//! One configuration file for each process of a devnet, as an operator would write it.

use super::keys::Keys;
use super::{ATTESTERS, Account, Layout, Ports, attester_name, local_url, node_name};
use crate::files::{create_secret, replace};
use alloy_primitives::hex;
use anyhow::{Context as _, Result};
use std::path::Path;
use tkms_eth::anvil::LOCAL_CHAIN_ID;
use tkms_types::{Committee, PartyId};
use toml::{Table, Value};
use url::Url;
use zeroize::Zeroizing;

/// Writes them all.
pub fn write(
    layout: &Layout,
    (ports, samples_at_nodes): (Ports, Option<&Path>),
    committee: Committee,
    keys: &Keys,
    accounts: &[Account],
) -> Result<()> {
    let write = |name: &str, table: &Table| replace(&layout.config(name), toml::to_string_pretty(table)?.as_bytes());
    for party in committee.parties() {
        write(&node_name(party), &node(layout, (ports, samples_at_nodes), keys, party)?)?;
    }
    write("coprocessor", &coprocessor(layout, ports, keys))?;
    for number in 1..=ATTESTERS {
        let key = keys.attesters.get(usize::from(number) - 1).context("an attester has no key")?;
        write(&attester_name(number), &attester(layout, ports, number, key))?;
    }
    // The last of Anvil's accounts pays for callbacks; the others are the users'.
    let payer = accounts.last().context("Anvil has no accounts")?;
    let key_file = layout.run().join("oracle.key");
    create_secret(&key_file, Zeroizing::new(hex::encode(payer.private_key)).as_bytes())?;
    write("oracle", &oracle(layout, ports, keys, &key_file.display().to_string()))
}

fn text(path: &std::path::Path) -> Value {
    Value::String(path.display().to_string())
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn node(
    layout: &Layout,
    (ports, samples_at_nodes): (Ports, Option<&Path>),
    keys: &Keys,
    party: PartyId,
) -> Result<Table> {
    let mut objects = vec![Value::from(local_url(ports.coprocessor(), "/v1/objects/").to_string())];
    if let Some(samples) = samples_at_nodes {
        let dir = Url::from_directory_path(samples).ok().context("a directory that is no URL")?;
        objects.insert(0, dir.to_string().into());
    }
    Ok(Table::from_iter([
        ("party".into(), Value::Integer(party.number().into())),
        ("data_dir".into(), text(&layout.data(&node_name(party)))),
        ("passphrase_file".into(), text(&keys.passphrase)),
        ("api_listen".into(), local(ports.api(party)).into()),
        ("peer_listen".into(), local(ports.peer(party)).into()),
        ("ops_listen".into(), local(ports.ops(party)).into()),
        ("objects".into(), Value::Array(objects)),
    ]))
}

fn attester(layout: &Layout, ports: Ports, number: u16, key: &Path) -> Table {
    Table::from_iter([
        ("listen".into(), local(ports.attester(number)).into()),
        ("data_dir".into(), text(&layout.data(&attester_name(number)))),
        ("rpc_url".into(), local_url(ports.anvil(), "/").to_string().into()),
        ("chain_id".into(), Value::Integer(LOCAL_CHAIN_ID.cast_signed())),
        ("signer_key_file".into(), text(key)),
    ])
}

fn coprocessor(layout: &Layout, ports: Ports, keys: &Keys) -> Table {
    Table::from_iter([
        ("listen".into(), local(ports.coprocessor()).into()),
        ("data_dir".into(), text(&layout.data("coprocessor"))),
        ("rpc_url".into(), local_url(ports.anvil(), "/").to_string().into()),
        ("chain_id".into(), Value::Integer(LOCAL_CHAIN_ID.cast_signed())),
        ("key_dir".into(), text(&keys.dealt)),
        ("signer_key_file".into(), text(&keys.coprocessor)),
    ])
}

fn oracle(layout: &Layout, ports: Ports, keys: &Keys, key_file: &str) -> Table {
    let host = Table::from_iter([
        ("chain_id".into(), Value::Integer(LOCAL_CHAIN_ID.cast_signed())),
        ("rpc_url".into(), local_url(ports.anvil(), "/").to_string().into()),
        (
            "attesters".into(),
            (1..=ATTESTERS).map(|number| local_url(ports.attester(number), "/").to_string()).collect::<Vec<_>>().into(),
        ),
        ("coprocessor_urls".into(), Value::Array(vec![local_url(ports.coprocessor(), "/").to_string().into()])),
    ]);
    Table::from_iter([
        ("listen".into(), local(ports.relayer()).into()),
        ("public_url".into(), local_url(ports.relayer(), "/").to_string().into()),
        ("data_dir".into(), text(&layout.data("oracle"))),
        ("submitter_key_file".into(), key_file.into()),
        ("key_dir".into(), text(&keys.dealt)),
        ("host".into(), Value::Array(vec![Value::Table(host)])),
    ])
}
