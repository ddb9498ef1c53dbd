/// Changes what lies on the disk, one change after the other, and lists what is there after each. Blocks.
final class Shelf<Item: Sendable>: Sendable {
    /// What was there after a change. Of two listings that arrive in another order than they were read, the one with
    /// the higher number is the newer one.
    struct Listing: Sendable {
        let number: Int
        let items: [Item]
        /// Why the change could not be made, or not all of it.
        let failure: (any Error)?
    }

    private let list: @Sendable () -> [Item]
    private let listings = Locked(0)

    init(list: @escaping @Sendable () -> [Item]) {
        self.list = list
    }

    func change(_ work: () throws -> Void) -> Listing {
        listings.withLock { number in
            number += 1
            var failure: (any Error)?
            do {
                try work()
            } catch {
                failure = error
            }
            return Listing(number: number, items: list(), failure: failure)
        }
    }
}
