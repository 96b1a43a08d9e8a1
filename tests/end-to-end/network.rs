//! A network of two machines, made of network namespaces, with an agent on each. Where the system allows no such
//! namespaces, there is no network.

use std::process::Command;

use crate::node::{Agent, Node};
use crate::process::{Speaker, run};

/// Processes in whose namespaces the machines are.
pub(crate) struct Network([Speaker; 2]);

impl Network {
    /// Two machines with a cable between them; `None` where that is not allowed.
    pub(crate) fn new() -> Option<Self> {
        let attempts = [["unshare", "-rn", "ip", "link", "set", "lo", "up"].as_slice(), &["nsenter", "-V"]];
        if !attempts.iter().all(|words| succeeds(words)) {
            eprintln!("not tested: network namespaces are not allowed here, or their tools are missing");
            return None;
        }
        let first = machine(Command::new("unshare").arg("-r"));
        let second = machine(inside(&first, &["-U"]).arg("unshare"));
        let cable = format!("ip link add lan type veth peer name lan netns {}", second.id());
        let network = Self([first, second]);
        network.run(0, &cable);
        for number in 0..2 {
            network
                .run(number, &format!("ip addr add 10.9.0.{}/24 dev lan && ip link set lan up", number + 1));
        }
        Some(network)
    }

    /// Starts an agent on one of the machines as its user would, with these words behind `run`.
    pub(crate) fn agent(&self, machine: usize, node: &Node, words: &[&str]) -> Agent {
        let program = node.command(&["run", "--json"]);
        let mut command = inside(&self.0[machine], &["-U", "-n"]);
        command.env_remove("PACKMULE_HOME").arg(program.get_program()).args(program.get_args()).args(words);
        Agent::started(Speaker::start(&mut command)).unwrap_or_else(|outcome| panic!("{outcome:?}"))
    }

    /// Gives a machine one more address.
    pub(crate) fn name_also(&self, machine: usize, address: &str) {
        self.run(machine, &format!("ip addr add {address}/24 dev lan"));
    }

    /// Datagrams that a machine has sent, of either family.
    pub(crate) fn datagrams_said(&self, machine: usize) -> u64 {
        let v6 = self.run(machine, "cat /proc/net/snmp6");
        let v6 = v6.lines().find_map(|line| line.strip_prefix("Udp6OutDatagrams")).unwrap();
        self.count(machine, "Udp:", "OutDatagrams") + v6.trim().parse::<u64>().unwrap()
    }

    /// TCP connections that a machine has tried to open.
    pub(crate) fn connections_tried(&self, machine: usize) -> u64 {
        self.count(machine, "Tcp:", "ActiveOpens")
    }

    /// A figure that the machine's kernel keeps: a line has the names, the next one the figures.
    fn count(&self, machine: usize, protocol: &str, name: &str) -> u64 {
        let said = self.run(machine, "cat /proc/net/snmp");
        let mut lines = said.lines().filter(|line| line.starts_with(protocol));
        let (names, figures) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.split(' ').position(|word| word == name).unwrap();
        figures.split(' ').nth(at).unwrap().parse().unwrap()
    }

    fn run(&self, machine: usize, script: &str) -> String {
        run(inside(&self.0[machine], &["-U", "-n"]).args(["sh", "-c", script])).done()
    }
}

/// What is to run where a process is.
fn inside(process: &Speaker, namespaces: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--preserve-credentials", "-t", &process.id().to_string()]).args(namespaces);
    command
}

/// A process with a network of its own, until it is dropped.
fn machine(maker: &mut Command) -> Speaker {
    let lives = "ip link set lo up && echo up && exec sleep 600";
    let speaker = Speaker::start(maker.args(["-n", "sh", "-c", lives]));
    let said = speaker.line(&"a machine");
    assert_eq!(said.as_deref(), Some("up"));
    speaker
}

fn succeeds(words: &[&str]) -> bool {
    Command::new(words[0]).args(&words[1..]).output().is_ok_and(|output| output.status.success())
}
