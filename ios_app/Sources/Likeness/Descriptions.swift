import Foundation

/// What lk_engine_info says.
///
/// - Throws: ``LikenessError/internal(_:)`` where that is not as agreed
func readEngineInfo(_ json: String) throws -> EngineInfo {
    struct Description: Decodable {
        struct Model: Decodable {
            let name: String
        }
        struct Kind: Decodable {}

        let model: Model
        let imageSize: Int
        let adapterKinds: [String: Kind]
        let priorClasses: [String]
        let maxModifierTokens: Int
    }
    let description = try read(Description.self, of: "bundle", json)
    return EngineInfo(
        modelName: description.model.name,
        imageSize: description.imageSize,
        adapterKinds: description.adapterKinds.keys.sorted(),
        classes: description.priorClasses,
        maxModifierTokens: description.maxModifierTokens,
        json: json)
}

/// What lk_adapter_info says, as ``readEngineInfo(_:)``.
func readAdapterInfo(_ json: String) throws -> AdapterInfo {
    struct Description: Decodable {
        let kind: String
        let modifierTokens: [String]
        let className: String
    }
    let description = try read(Description.self, of: "adapter", json)
    return AdapterInfo(
        kind: description.kind, tokens: description.modifierTokens, className: description.className, json: json)
}

private func read<Description: Decodable>(_ type: Description.Type, of what: String, _ json: String) throws
    -> Description
{
    do {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(json.utf8))
    } catch {
        throw LikenessError.internal("the core's description of the \(what) is of another version (\(error))")
    }
}
