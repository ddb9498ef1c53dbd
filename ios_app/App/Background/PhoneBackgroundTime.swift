#if canImport(UIKit)
import BackgroundTasks
import UIKit

/// Time behind other apps as iOS lends it. ``register(_:)`` must be called before the app has launched.
@MainActor
final class PhoneBackgroundTime: BackgroundTime {
    /// Both stand in Info.plist, under BGTaskSchedulerPermittedIdentifiers.
    static let processing = "app.likeness.ios.learning"
    static let continued = "app.likeness.ios.learning.continued"

    /// - Parameter begin: is handed each piece of time that iOS lends later
    func register(_ begin: @escaping @MainActor (any BackgroundWork) -> Void) {
        register(Self.processing, begin)
        #if compiler(>=6.2)
        if #available(iOS 26.0, *) { register(Self.continued, begin) }
        #endif
    }

    func grace() -> (any BackgroundWork)? {
        let grace = Grace()
        return grace.begin() ? grace : nil
    }

    func requestProcessing() {
        let request = BGProcessingTaskRequest(identifier: Self.processing)
        request.requiresNetworkConnectivity = false
        // The worker's own policy spares the battery; a phone that is never charged for long learns too.
        request.requiresExternalPower = false
        // Refused where the person has switched background work off: then it goes on when the app is opened.
        try? BGTaskScheduler.shared.submit(request)
    }

    func cancelProcessing() {
        BGTaskScheduler.shared.cancel(taskRequestWithIdentifier: Self.processing)
    }

    func requestContinued(_ name: String) {
        #if compiler(>=6.2)
        guard #available(iOS 26.0, *) else { return }
        let request = BGContinuedProcessingTaskRequest(
            identifier: Self.continued, title: Words.learning(name), subtitle: Words.keepsLearning)
        // Refused where another app's task goes on: then the seconds of grace are all there is.
        try? BGTaskScheduler.shared.submit(request)
        #endif
    }

    private func register(_ identifier: String, _ begin: @escaping @MainActor (any BackgroundWork) -> Void) {
        BGTaskScheduler.shared.register(forTaskWithIdentifier: identifier, using: .main) { task in
            MainActor.assumeIsolated { begin(LentTask(task)) }
        }
    }
}

/// The seconds after an app has left the screen.
@MainActor
private final class Grace: BackgroundWork {
    var onExpiration: (() -> Void)?
    private var task = UIBackgroundTaskIdentifier.invalid

    func begin() -> Bool {
        task = UIApplication.shared.beginBackgroundTask { [weak self] in
            MainActor.assumeIsolated { self?.onExpiration?() }
        }
        return task != .invalid
    }

    func show(fraction: Double) {}

    func complete(success: Bool) {
        UIApplication.shared.endBackgroundTask(task)
        task = .invalid
    }
}

/// A task of iOS's scheduler.
@MainActor
private final class LentTask: BackgroundWork {
    var onExpiration: (() -> Void)?
    private let task: BGTask

    init(_ task: BGTask) {
        self.task = task
        // iOS calls it on a thread of its own.
        task.expirationHandler = { @Sendable [weak self] in
            Task { @MainActor in self?.onExpiration?() }
        }
    }

    func show(fraction: Double) {
        #if compiler(>=6.2)
        if #available(iOS 26.0, *), let task = task as? BGContinuedProcessingTask {
            task.progress.totalUnitCount = 1000
            task.progress.completedUnitCount = Int64(1000 * fraction)
        }
        #endif
    }

    func complete(success: Bool) {
        task.setTaskCompleted(success: success)
    }
}
#endif
