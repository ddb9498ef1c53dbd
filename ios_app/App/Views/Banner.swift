#if canImport(SwiftUI)
import SwiftUI

/// What went wrong, what to do, and the core's own words.
struct ProblemBanner: View {
    let problem: Problem
    /// nil: it stays.
    let dismiss: (() -> Void)?

    var body: some View {
        Banner(text: Words.text(problem), symbol: "exclamationmark.triangle", tint: .red, dismiss: dismiss)
    }
}

/// Something that was done, or is being done.
struct NoticeBanner: View {
    let text: String
    let dismiss: (() -> Void)?

    var body: some View {
        Banner(text: text, symbol: "checkmark.circle", tint: .green, dismiss: dismiss)
    }
}

private struct Banner: View {
    let text: String
    let symbol: String
    let tint: Color
    let dismiss: (() -> Void)?

    var body: some View {
        HStack(alignment: .firstTextBaseline) {
            Label(text, systemImage: symbol)
                .font(.callout)
                .frame(maxWidth: .infinity, alignment: .leading)
            if let dismiss {
                Button(Words.dismiss, systemImage: "xmark", action: dismiss)
                    .labelStyle(.iconOnly)
                    .buttonStyle(.borderless)
            }
        }
        .padding()
        .background(tint.opacity(0.15), in: .rect(cornerRadius: 12))
    }
}
#endif
