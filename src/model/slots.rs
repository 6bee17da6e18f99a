//! Who may use which part of the model's memory: bookkeeping over token ids, nothing of llama.cpp.
//!
//! The context is one store of `capacity` cells, shared by all slots; a slot is one conversation in it. What keeps it sound:
//!
//! - A busy slot has reserved, from the start, all cells it can come to need. Reservations and what idle slots hold never exceed the capacity, so
//!   reading a token cannot fail for lack of room.
//! - An idle slot keeps what it read. A request continues where its prompt and a slot agree the longest: the second turn of a room reads only what
//!   is new. A prefix found in another slot, even a busy one, is shared instead of read again.
//! - Idle slots are emptied, the longest unused first, when the room is needed.

/// The slots of one context. `T` is a token.
#[derive(Debug)]
pub struct Slots<T> {
    slots: Vec<Slot<T>>,
    capacity: usize,
    /// Counts uses; the larger, the more recent.
    clock: u64,
}

#[derive(Debug)]
struct Slot<T> {
    /// The tokens that its cells hold, in order.
    held: Vec<T>,
    /// The cells set aside while a reply is written; none while idle.
    reserved: Option<usize>,
    last_used: u64,
}

/// Where a request goes, and what must be done to the cells first, in this order.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub slot: usize,
    /// So many tokens of the prompt need not be read.
    pub kept: usize,
    /// Those are in another slot: empty `slot`, then share them from there. Otherwise cut `slot` after them.
    pub shared_from: Option<usize>,
    /// Then these slots are to be emptied.
    pub emptied: Vec<usize>,
}

impl<T: Copy + PartialEq> Slots<T> {
    /// `count` empty slots over `capacity` cells.
    pub fn new(count: usize, capacity: usize) -> Self {
        let slots = (0..count).map(|_| Slot { held: Vec::new(), reserved: None, last_used: 0 }).collect();
        Self { slots, capacity, clock: 0 }
    }

    /// A slot for a prompt that, with its answer, needs at most `need` cells (no more than the capacity, and more than the prompt's tokens); none
    /// while there is no slot or no room. At least the prompt's last token is left to be read, because the answer starts from its result.
    /// `sharing` says whether cells can be shared between slots.
    pub fn place(&mut self, prompt: &[T], need: usize, sharing: bool) -> Option<Place> {
        let oldest = self.idle().min_by_key(|&slot| self.slots[slot].last_used)?;
        if self.reserved() + need > self.capacity {
            return None;
        }
        let agreed = |slot: usize| {
            let readable = &prompt[..prompt.len().saturating_sub(1)];
            self.slots[slot].held.iter().zip(readable).take_while(|(held, wanted)| held == wanted).count()
        };
        let candidates = (0..self.slots.len()).filter(|&slot| sharing || self.is_idle(slot));
        let best = candidates.max_by_key(|&slot| (agreed(slot), self.is_idle(slot), self.slots[slot].last_used))?;
        let kept = agreed(best);
        // To go on in a slot loses what it holds beyond the common part. A room's own next turn loses little; another room that has only the system
        // text in common would lose most, and better takes the least missed slot.
        let goes_on = self.is_idle(best) && kept > 0 && (!sharing || 2 * kept >= self.slots[best].held.len());
        let slot = if goes_on { best } else { oldest };

        self.clock += 1;
        self.slots[slot] = Slot { held: prompt[..kept].to_vec(), reserved: Some(need), last_used: self.clock };
        let emptied = self.make_room();
        Some(Place { slot, kept, shared_from: (slot != best && kept > 0).then_some(best), emptied })
    }

    /// The slot's next token was read into a cell.
    pub fn hold(&mut self, slot: usize, token: T) {
        self.slots[slot].held.push(token);
    }

    /// Tokens in the slot's cells, which is also the position of its next one.
    pub fn held(&self, slot: usize) -> usize {
        self.slots[slot].held.len()
    }

    /// The slot's cells had to be given up: its prompt is read from the start.
    pub fn forget(&mut self, slot: usize) {
        self.slots[slot].held.clear();
    }

    /// The reply is over; what was read is kept for the next turn.
    pub fn release(&mut self, slot: usize) {
        self.slots[slot].reserved = None;
    }

    /// Empties idle slots until everything fits, and says which.
    fn make_room(&mut self) -> Vec<usize> {
        let mut emptied = Vec::new();
        loop {
            let idle_cells: usize = self.idle().map(|slot| self.held(slot)).sum();
            if self.reserved() + idle_cells <= self.capacity {
                return emptied;
            }
            match self.idle().filter(|&slot| self.held(slot) > 0).min_by_key(|&slot| self.slots[slot].last_used) {
                Some(oldest) => {
                    self.forget(oldest);
                    emptied.push(oldest);
                }
                None => return emptied,
            }
        }
    }

    fn idle(&self) -> impl Iterator<Item = usize> {
        (0..self.slots.len()).filter(|&slot| self.is_idle(slot))
    }

    fn is_idle(&self, slot: usize) -> bool {
        self.slots[slot].reserved.is_none()
    }

    fn reserved(&self) -> usize {
        self.slots.iter().filter_map(|slot| slot.reserved).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads the rest of a prompt and an answer, then lets the slot go.
    fn write(slots: &mut Slots<u8>, place: &Place, prompt: &[u8], answer: &[u8]) {
        for &token in prompt[place.kept..].iter().chain(answer) {
            slots.hold(place.slot, token);
        }
        slots.release(place.slot);
    }

    #[test]
    fn the_second_turn_of_a_room_goes_on_where_the_first_ended() {
        let mut slots = Slots::new(2, 100);
        let place = slots.place(b"sys:hi", 20, true).unwrap();
        assert_eq!((place.kept, place.shared_from), (0, None));
        write(&mut slots, &place, b"sys:hi", b"hello");
        let again = slots.place(b"sys:hihello:how", 30, true).unwrap();
        assert_eq!(again, Place { slot: place.slot, kept: 11, shared_from: None, emptied: vec![] });
    }

    #[test]
    fn another_room_shares_the_beginning_and_leaves_the_first_alone() {
        let mut slots = Slots::new(2, 100);
        let first = slots.place(b"sys:a long first conversation", 40, true).unwrap();
        write(&mut slots, &first, b"sys:a long first conversation", b"");
        let other = slots.place(b"sys:other", 20, true).unwrap();
        assert_eq!((other.kept, other.shared_from), (4, Some(first.slot)));
        assert_ne!(other.slot, first.slot);
        slots.release(other.slot);
        assert_eq!(slots.place(b"sys:a long first conversation, continued", 50, true).unwrap().kept, 29);
    }

    #[test]
    fn a_prefix_is_shared_even_while_it_is_being_used() {
        let mut slots = Slots::new(2, 100);
        let first = slots.place(b"same room", 40, true).unwrap();
        for &token in b"same ro" {
            slots.hold(first.slot, token);
        }
        let second = slots.place(b"same room", 40, true).unwrap();
        assert_eq!((second.kept, second.shared_from), (7, Some(first.slot)));
    }

    #[test]
    fn without_sharing_a_slot_is_continued_or_started_anew() {
        let mut slots = Slots::new(2, 100);
        let first = slots.place(b"sys:a long first conversation", 40, false).unwrap();
        write(&mut slots, &first, b"sys:a long first conversation", b"");
        assert_eq!(slots.place(b"sys:other", 20, false), Some(Place { slot: first.slot, kept: 4, shared_from: None, emptied: vec![] }));
        assert_eq!(slots.place(b"sys:other", 20, false).unwrap().kept, 0);
    }

    #[test]
    fn the_last_token_of_a_prompt_is_always_read() {
        let mut slots = Slots::new(1, 100);
        let place = slots.place(b"again", 10, true).unwrap();
        write(&mut slots, &place, b"again", b"");
        assert_eq!(slots.place(b"again", 10, true).unwrap().kept, 4);
    }

    #[test]
    fn a_request_waits_for_a_slot_and_for_room() {
        let mut slots = Slots::new(2, 100);
        let first = slots.place(b"a", 60, true).unwrap();
        assert_eq!(slots.place(b"b", 60, true), None, "no room");
        let second = slots.place(b"b", 40, true).unwrap();
        assert_eq!(slots.place(b"c", 1, true), None, "no slot");
        slots.release(first.slot);
        slots.release(second.slot);
        assert!(slots.place(b"c", 100, true).is_some());
    }

    #[test]
    fn the_longest_unused_conversation_is_forgotten_first() {
        let mut slots = Slots::new(3, 30);
        for prompt in [b"aaaaaaaaaa", b"bbbbbbbbbb"] {
            let place = slots.place(prompt, 10, true).unwrap();
            write(&mut slots, &place, prompt, b"");
        }
        let place = slots.place(b"cccccccccc", 15, true).unwrap();
        assert_eq!(place.emptied, vec![0]);
        slots.release(place.slot);
        assert_eq!(slots.place(b"bbbbbbbbbb", 10, true).unwrap().kept, 9);
    }

    proptest! {
        /// Whatever comes, in whatever order: the cells suffice, and what a slot is said to hold of a prompt is the prompt's beginning.
        #[test]
        fn the_cells_always_suffice(asked in proptest::collection::vec((proptest::collection::vec(0..2u8, 1..30), 1..40usize, 0..3u8), 1..60)) {
            let mut slots = Slots::new(3, 64);
            let mut busy: Vec<usize> = Vec::new();
            for (prompt, answer, ended) in asked {
                let need = prompt.len() + answer;
                if need <= 64 && let Some(place) = slots.place(&prompt, need, true) {
                    prop_assert!(place.kept < prompt.len());
                    prop_assert_eq!(&slots.slots[place.slot].held[..], &prompt[..place.kept]);
                    for &token in &prompt[place.kept..] {
                        slots.hold(place.slot, token);
                    }
                    busy.push(place.slot);
                }
                let cells: usize = slots.slots.iter().map(|slot| slot.reserved.unwrap_or(slot.held.len())).sum();
                prop_assert!(cells <= 64, "{cells} cells of 64");
                prop_assert!(slots.slots.iter().all(|slot| slot.reserved.is_none_or(|reserved| slot.held.len() <= reserved)));
                for _ in 0..ended {
                    if let Some(slot) = busy.pop() {
                        slots.release(slot);
                    }
                }
            }
        }
    }
}
