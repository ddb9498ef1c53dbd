package app.likeness.runtime

/** A subject, as a session saved it. Immutable: any number of threads may use one. */
interface Adapter : AutoCloseable {
    /** What the file says of itself; readable after [close] too. */
    val info: AdapterInfo

    /** As [Studio.close]: never waits, and pictures that are being painted with it are finished. */
    override fun close()
}

/**
 * What an adapter file says of itself.
 *
 * @property kind one of [EngineInfo.adapterKinds]
 * @property tokens the words for its subjects; one, unless adapters were merged
 * @property className what its photos showed
 * @property json everything the core says about the adapter, as a JSON object
 */
data class AdapterInfo(val kind: String, val tokens: List<String>, val className: String, val json: String)
