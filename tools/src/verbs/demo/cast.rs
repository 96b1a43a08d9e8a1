//! Three nodes: a school and a van with agents and a link between them, a clinic with neither.

use std::path::Path;

use agent_node::{Call, Client, Home, Reply};
use bundle_format::Eid;
use drive_volume::{InitOptions, Volume};
use tokio::runtime::Handle;

use crate::docking::{self, Summary};
use crate::endpoint;
use crate::failure::{Failure, Kind};
use crate::failure_of_client::unexpected;
use crate::running_agent::RunningAgent;
use crate::stop::Stop;

const GROUP: &str = "dtn://all/~demo";

/// The nodes of the demo, and what runs of them.
pub(super) struct Cast {
    pub(super) school: Home,
    pub(super) van: Home,
    pub(super) clinic: Home,
    /// What all three subscribe to.
    pub(super) group: Eid,
    agents: Vec<RunningAgent>,
}

impl Cast {
    pub(super) fn new(folder: &Path) -> Result<Self, Failure> {
        let home = |name: &str| Home::create(&folder.join(name), name, None);
        let group = GROUP.parse().map_err(|_| Failure::failed("the demo's group has no name"))?;
        Ok(Self {
            school: home("school")?,
            van: home("van")?,
            clinic: home("clinic")?,
            group,
            agents: Vec::new(),
        })
    }

    /// Each trusts the other two, and subscribes to the group, as its owner would have it do.
    pub(super) async fn introduce(&self) -> Result<(), Failure> {
        let all = [&self.school, &self.van, &self.clinic];
        for home in all {
            let mut client = Client::open(home).await?;
            for other in all.into_iter().filter(|other| other.node() != home.node()) {
                let (node, key) = (other.node().clone(), other.key().public());
                done(client.call(Call::TrustAdd { node, key, replace: false }).await?)?;
            }
            done(client.call(Call::Subscribe { group: self.group.clone() }).await?)?;
            client.close().await?;
        }
        Ok(())
    }

    /// Starts the agents of the school and the van, and lets the school connect to the van.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        for home in [self.van.clone(), self.school.clone()] {
            let agent = RunningAgent::start(home).await?;
            self.agents.push(agent);
        }
        let mut client = Client::open(&self.school).await?;
        done(client.call(Call::PeerAdd { url: self.van_url().to_owned() }).await?)?;
        client.close().await?;
        Ok(())
    }

    pub(super) fn van_url(&self) -> &str {
        self.agents.first().map_or("", |agent| agent.url.as_str())
    }

    /// The van's agent docks a new drive.
    pub(super) async fn dock_van(&self, drive: &Path, stop: Stop) -> Result<Summary, Failure> {
        std::fs::create_dir(drive).map_err(|error| Failure::io("make", drive, &error))?;
        drop(Volume::init(drive, InitOptions { label: "DEMO".to_owned(), created: None })?);
        dock(&self.van, drive, stop).await
    }

    /// The clinic docks the drive, with no agent running.
    pub(super) async fn dock_clinic(&self, drive: &Path, stop: Stop) -> Result<Summary, Failure> {
        dock(&self.clinic, drive, stop).await
    }

    pub(super) fn name(&self, home: &Home) -> &'static str {
        match home.node() {
            node if node == self.school.node() => "school",
            node if node == self.van.node() => "van",
            _ => "clinic",
        }
    }

    /// Stops what runs, and waits until it has ended.
    pub(super) async fn end(&mut self) -> Result<(), Failure> {
        let agents = std::mem::take(&mut self.agents);
        let mut outcome = Ok(());
        for agent in agents {
            let ended = agent.end().await;
            outcome = outcome.and(ended);
        }
        outcome
    }
}

/// Where a node receives unless another endpoint is named.
pub(super) fn inbox(home: &Home) -> Result<Eid, Failure> {
    endpoint::own(None, home.node())
}

async fn dock(home: &Home, drive: &Path, stop: Stop) -> Result<Summary, Failure> {
    let mut client = Client::open(home).await?;
    let docked =
        tokio::task::block_in_place(|| docking::dock(home, &mut client, drive, (Handle::current(), stop)));
    client.close().await?;
    let summary = docked?.summary;
    if summary.interrupted {
        return Err(Failure::interrupted());
    }
    if summary.left_out_count > 0 {
        return Err(Failure::new(
            Kind::Drive,
            format!("the disk of {} has no room for the demo's drive", drive.display()),
        )
        .hint("free some of it, or let TMPDIR name a folder on another disk"));
    }
    Ok(summary)
}

fn done(reply: Reply) -> Result<(), Failure> {
    match reply {
        Reply::Done { .. } => Ok(()),
        other => Err(unexpected(&other)),
    }
}
