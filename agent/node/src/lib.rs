//! What a node does: clock, driver loop, sockets, local API. Decides nothing.
