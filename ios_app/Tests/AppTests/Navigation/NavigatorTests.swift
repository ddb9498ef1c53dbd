import Testing

@testable import App

@MainActor
struct NavigatorTests {
    private let navigator = Navigator()
    private let id = ItemID()

    @Test func screensComeOnTopOfTheirTab() {
        navigator.go(to: .picture(id))
        #expect(navigator.tab == .pictures && navigator.pictures == [.picture(id)])
        navigator.go(to: .settings)
        #expect(navigator.tab == .subjects && navigator.subjects == [.settings])
        #expect(navigator.pictures == [.picture(id)])
    }

    @Test func nothingShowsTwice() {
        for _ in 0..<2 {
            navigator.go(to: .picture(id))
            navigator.go(to: .training(id))
            navigator.go(to: .settings)
        }
        #expect(navigator.subjects == [.training(id), .settings])
        #expect(navigator.pictures == [.picture(id)])
    }

    @Test func noWayLeadsBackToADraftThatIsASubject() {
        navigator.go(to: .teach)
        navigator.go(to: .training(id))
        #expect(navigator.subjects == [.training(id)])
    }

    @Test func aScreenThatIsDoneIsLeftAndNoOther() {
        navigator.go(to: .training(id))
        navigator.go(to: .settings)
        navigator.leave(.training(id))
        #expect(navigator.subjects == [.settings])
        navigator.leave(.training(id))
        #expect(navigator.subjects == [.settings])
    }
}
