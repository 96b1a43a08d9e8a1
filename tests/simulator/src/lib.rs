//! Many nodes in virtual time with real stores, and the faults of the world.
