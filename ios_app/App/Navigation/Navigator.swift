import Observation

enum Tab: Hashable, Sendable {
    case subjects
    case paint
    case pictures
}

/// A screen on top of a tab's own.
enum Route: Hashable, Sendable {
    case teach
    case training(ItemID)
    case picture(ItemID)
    case settings
}

/// Which screens show: a tab, and on each tab those on top of its own.
@MainActor @Observable
final class Navigator {
    var tab = Tab.subjects
    var subjects: [Route] = []
    var pictures: [Route] = []

    /// Shows `route` on the tab it belongs to. A subject that has just been put together leaves no way back to its
    /// draft.
    func go(to route: Route) {
        leave(route)
        switch route {
        case .picture:
            tab = .pictures
            pictures.append(route)
        case .training:
            leave(.teach)
            tab = .subjects
            subjects.append(route)
        case .teach, .settings:
            tab = .subjects
            subjects.append(route)
        }
    }

    /// Shows a tab's own screen.
    func go(to tab: Tab) {
        self.tab = tab
    }

    /// The screen of `route` is done.
    func leave(_ route: Route) {
        subjects.removeAll { $0 == route }
        pictures.removeAll { $0 == route }
    }
}
