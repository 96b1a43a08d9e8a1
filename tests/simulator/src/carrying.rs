//! Drives on their way: what befalls them there, and the rounds that they make once nothing goes wrong any more.

use std::io;
use std::path::Path;

use crate::agenda::{Agenda, Event};
use crate::drive::Drive;
use crate::plan::{MINUTE, Millis, NodeIndex};
use crate::routes::{DriveFaults, Drives};
use crate::violation::Violation;
use crate::world::World;

/// Rounds after which everything must have arrived: one onto the drive, one off it, and one more for what came too late for the
/// first.
const ROUNDS: usize = 3;
/// Between two stops.
const RIDE: Millis = 2 * MINUTE;
/// How often somebody copies a drive whose copy may come back, in ten thousandths of docks.
const REMEMBERED: u32 = 3_000;

/// The drives of a world, all new, and their stops.
pub(crate) fn set_out(drives: &Drives, folder: &Path, agenda: &mut Agenda) -> Vec<Drive> {
    for (drive, route) in drives.routes.iter().enumerate() {
        for stop in route {
            agenda.add(stop.at, Event::DriveDocks { drive, node: stop.node });
        }
    }
    (0..drives.routes.len()).map(|drive| Drive::new(folder.join(format!("drive-{drive}")))).collect()
}

impl World {
    pub(crate) fn drive(&mut self, number: usize) -> &mut Drive {
        self.drives.get_mut(number).expect("drives are numbered by their routes")
    }

    /// What goes wrong with drives now.
    pub(crate) fn drive_faults(&self) -> DriveFaults {
        if self.now < self.scenario.faults_end { self.scenario.drives.faults } else { DriveFaults::NONE }
    }

    /// What befell a drive since its last dock; answers whether there is one at all.
    pub(crate) fn on_the_way(&mut self, number: usize) -> io::Result<bool> {
        let faults = self.drive_faults();
        if self.dice.happens(faults.lost) {
            self.note(format_args!("drive {number} is lost"));
            self.drive(number).lose();
            return Ok(false);
        }
        if self.dice.happens(faults.stale) && self.drive(number).put_back()? {
            self.note(format_args!("drive {number} is what it was before"));
        }
        if faults.stale > 0 && self.dice.happens(REMEMBERED) {
            self.drive(number).remember()?;
        }
        if self.dice.happens(faults.damaged) {
            let mut dice = self.dice.branch();
            self.note(format_args!("drive {number} is damaged"));
            self.drive(number).damage(&mut dice)?;
        }
        Ok(true)
    }

    /// Where there are drives at all, one of them goes round; then everything must have arrived, whoever meets whom or not. Answers
    /// when that is.
    pub(crate) fn drives_go_round(&mut self, begins: Millis) -> Result<Millis, Violation> {
        if self.drives.is_empty() {
            return Ok(begins);
        }
        // On a drive with damaged records nobody writes again what their headers say is there.
        if self.drive(0).is_damaged {
            self.drive(0).lose();
        }
        let nodes: Vec<NodeIndex> =
            (0..self.inhabitants.len()).filter(|node| self.scenario.has_drives(*node)).collect();
        let mut at = begins;
        for _ in 0..ROUNDS {
            for node in &nodes {
                self.agenda.add(at, Event::DriveDocks { drive: 0, node: *node });
                at += RIDE;
            }
        }
        self.run_until(at)?;
        self.demand_at(&nodes)?;
        Ok(at)
    }
}
