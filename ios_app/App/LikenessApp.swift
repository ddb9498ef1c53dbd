#if canImport(SwiftUI)
import Likeness
import SwiftUI
import UIKit

@main
struct LikenessApp: SwiftUI.App {
    @UIApplicationDelegateAdaptor private var process: AppProcess
    @Environment(\.scenePhase) private var phase

    var body: some Scene {
        WindowGroup {
            switch process.start {
            case .success(let started): RootView(models: started.models, navigator: started.navigator)
            case .failure(let error): ProblemBanner(problem: Problem(error), dismiss: nil).padding()
            }
        }
        .onChange(of: phase, initial: true) { _, now in process.sceneBecame(now) }
    }
}

/// The process: it holds the graph, and hears from iOS what concerns no screen.
@MainActor
final class AppProcess: NSObject, UIApplicationDelegate {
    struct Started {
        let graph: AppGraph
        let models: ViewModels
        let navigator: Navigator
    }

    /// Fails where the app's own folder cannot be made.
    let start: Result<Started, any Error>
    private let time = PhoneBackgroundTime()

    override init() {
        let platform = Platform.phone(time)
        start = Result {
            let graph = AppGraph(
                platform, layout: try .phone(), model: Bundle.main.bundleURL.appending(path: "bundle-coreml"),
                monitor: ConditionsMonitor(platform.conditions)
            ) { folder, verifyHashes in
                let budget = memoryBudget(availableBytes: PhoneMemory.freeBytes())
                let options = EngineOptions(verifyHashes: verifyHashes, memoryLimitBytes: budget)
                return try await Engine.open(folder, options: options)
            }
            return Started(graph: graph, models: ViewModels(graph), navigator: Navigator())
        }
        super.init()
    }

    func application(
        _ application: UIApplication,
        didFinishLaunchingWithOptions options: [UIApplication.LaunchOptionsKey: Any]? = nil
    ) -> Bool {
        guard let graph = try? start.get().graph else { return true }
        time.register { graph.keeper.begin($0) }
        return true
    }

    func applicationDidReceiveMemoryWarning(_ application: UIApplication) {
        guard let graph = try? start.get().graph else { return }
        Task { await graph.memoryWarning() }
    }

    func sceneBecame(_ phase: ScenePhase) {
        guard let keeper = try? start.get().graph.keeper else { return }
        switch phase {
        case .active: Task { await keeper.enterScreen() }
        case .background: keeper.leaveScreen()
        // Behind a notification or the app switcher: still on the screen.
        default: break
        }
    }
}
#endif
