#if canImport(UIKit)
import UIKit

/// What iOS says of heat, battery and memory.
@MainActor
final class PhoneConditions: ConditionsSource {
    /// Less than that left to this app is little: a phone's photo, decoded, takes 50 MB.
    private static let littleMemoryBytes = 100 * 1024 * 1024

    init() {
        UIDevice.current.isBatteryMonitoringEnabled = true
    }

    func read() -> Conditions {
        let device = UIDevice.current
        let process = ProcessInfo.processInfo
        return Conditions(
            heat: heat(process.thermalState),
            lowPowerMode: process.isLowPowerModeEnabled,
            batteryPercent: device.batteryLevel < 0 ? nil : Int((100 * device.batteryLevel).rounded()),
            charging: device.batteryState == .charging || device.batteryState == .full,
            memory: PhoneMemory.freeBytes() < Self.littleMemoryBytes ? .low : .none)
    }

    private func heat(_ state: ProcessInfo.ThermalState) -> Heat {
        switch state {
        case .nominal: .nominal
        case .fair: .fair
        case .serious: .serious
        case .critical: .critical
        // What is newer than this app is more than it knows.
        @unknown default: .critical
        }
    }
}

enum PhoneMemory {
    /// What iOS leaves to this app before it ends it; with the increased limit that the entitlement asks for.
    static func freeBytes() -> Int {
        os_proc_available_memory()
    }
}
#endif
