#if canImport(SwiftUI)
import SwiftUI

extension Binding where Value: Sendable {
    /// Shows what a view model's state says, and tells it what a person wants instead.
    @MainActor
    init(showing get: @escaping @MainActor () -> Value, telling set: @escaping @MainActor (Value) -> Void) {
        // SwiftUI calls both on the main actor; their types do not say so.
        self.init(
            get: { MainActor.assumeIsolated { get() } }, set: { value in MainActor.assumeIsolated { set(value) } })
    }
}
#endif
