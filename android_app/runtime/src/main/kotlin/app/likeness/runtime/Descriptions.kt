package app.likeness.runtime

/** What lk_engine_info says. Throws [InternalException] where that is not as agreed. */
internal fun readEngineInfo(json: String): EngineInfo = reading("bundle", json) { root ->
    EngineInfo(
        modelName = root.member<Map<*, *>>("model").member<String>("name"),
        imageSize = root.wholeNumber("image_size"),
        adapterKinds = root.member<Map<*, *>>("adapter_kinds").keys.map { it as String },
        classes = root.texts("prior_classes"),
        maxModifierTokens = root.wholeNumber("max_modifier_tokens"),
        json = json,
    )
}

/** What lk_adapter_info says, as [readEngineInfo]. */
internal fun readAdapterInfo(json: String): AdapterInfo = reading("adapter", json) { root ->
    AdapterInfo(
        kind = root.member<String>("kind"),
        tokens = root.texts("modifier_tokens"),
        className = root.member<String>("class_name"),
        json = json,
    )
}

private inline fun <T> reading(what: String, json: String, read: (Map<*, *>) -> T): T = try {
    read(parseJson(json) as? Map<*, *> ?: throw JsonException("no object"))
} catch (error: JsonException) {
    throw InternalException("the core's description of the $what is of another version (${error.message})")
}

private inline fun <reified T> Map<*, *>.member(key: String): T =
    this[key] as? T ?: throw JsonException("$key is missing or of another type")

private fun Map<*, *>.wholeNumber(key: String): Int {
    val number = member<Double>(key)
    if (number != number.toInt().toDouble()) throw JsonException("$key is no whole number")
    return number.toInt()
}

private fun Map<*, *>.texts(key: String): List<String> =
    member<List<*>>(key).map { it as? String ?: throw JsonException("$key is no list of texts") }
